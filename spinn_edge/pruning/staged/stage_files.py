"""The two files of a stage: written to the disk before they count, read only if nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinn_edge.core.bundle import sha256_of
from spinn_edge.core.decode import decode
from spinn_edge.core.errors import BundleError, IncompatibleBundleError, first_line
from spinn_edge.core.optional import require
from spinn_edge.pruning.staged.stage_record import StageRecord

if TYPE_CHECKING:
    import torch

SCHEMA_VERSION = 1
RECORD_NAME = "stage.json"
WEIGHTS_NAME = "weights.safetensors"


def hash_weights(weights: Mapping[str, torch.Tensor]) -> str:
    """Return the hex digest of a state dict: names, types, shapes and every bit of the values.

    Raises:
        BundleError: something in it is no tensor, or of a type that the format does not know.
        MissingDependencyError: safetensors is not installed.
    """
    return hashlib.sha256(weights_bytes(weights)).hexdigest()


def weights_bytes(weights: Mapping[str, torch.Tensor]) -> bytes:
    """Return a state dict as the content of a safetensors file, the same for the same values.

    Raises:
        BundleError: something in it is no tensor, or of a type that the format does not know.
        MissingDependencyError: safetensors is not installed.
    """
    save = require("safetensors.torch", extra="export").save
    try:
        # cloned, because safetensors refuses tensors that share storage, as tied weights do
        content: bytes = save(
            {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
        )
    except Exception as exc:  # what is no tensor, or of a type that the format does not know
        raise BundleError(
            f"the network's state dict cannot be kept as safetensors ({first_line(exc)}); only "
            "tensors can: leave out extra state of your own"
        ) from exc
    return content


def record_bytes(content: Any) -> bytes:
    """Return the document that holds a record, given as JSON values, and its digest."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "record_sha256": _digest(content),
        "record": content,
    }
    return (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()


def read_record(path: Path, number: int) -> StageRecord:
    """Read ``stage.json`` and check it and the weights beside it.

    Raises:
        IncompatibleBundleError: another version of spinn-edge wrote it.
        BundleError: something is missing or damaged; says what.
    """
    try:
        document = json.loads((path / RECORD_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise BundleError(f"{RECORD_NAME} cannot be read ({first_line(exc)})") from exc
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not isinstance(version, int):
        raise BundleError(f"{RECORD_NAME} is not the record of a stage")
    if version != SCHEMA_VERSION:
        raise IncompatibleBundleError(
            f"{path / RECORD_NAME} has schema version {version}, this spinn-edge reads "
            f"{SCHEMA_VERSION}; install the version that wrote it, or start anew with another --out"
        )
    content = document.get("record")
    if _digest(content) != document.get("record_sha256"):
        raise BundleError(f"{RECORD_NAME} was changed or is corrupt (its sha256 differs)")
    record = decode(StageRecord, content, where=RECORD_NAME)
    if record.number != number:
        raise BundleError(f"{RECORD_NAME} is that of stage {record.number}")
    weights = path / WEIGHTS_NAME
    try:
        same = sha256_of(weights) == record.weights_sha256
    except OSError as exc:
        raise BundleError(f"{WEIGHTS_NAME} cannot be read ({first_line(exc)})") from exc
    if not same:
        raise BundleError(
            f"{WEIGHTS_NAME} was changed or is corrupt ({weights.stat().st_size} bytes; its sha256 "
            "differs)"
        )
    return record


def write_to_disk(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())  # before the rename, else a power cut can leave an empty file


def flush_folder(path: Path) -> None:
    """Put a folder's entries on the disk; only POSIX can open a folder for that."""
    if os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
