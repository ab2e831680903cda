"""Masks on disk: a safetensors file, beside the weights of a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from spinn_edge.core.bundle import Bundle, describe_file, finish, staged_folder
from spinn_edge.core.errors import PruningError, UsageError, first_line
from spinn_edge.core.optional import require
from spinn_edge.pruning.masks.applying import count_regrown
from spinn_edge.pruning.masks.record import Masking, masking_document
from spinn_edge.pruning.masks.weights import Masks

MASKS_NAME = "masks.safetensors"
MASKS_FORMAT = "masks"


def save_masks(path: str | Path, masks: Mapping[str, torch.Tensor]) -> None:
    """Write masks as bool tensors under their weights' names.

    Raises:
        UsageError: the file cannot be written.
    """
    save = require("safetensors.torch", extra="export").save
    tensors = {name: (mask != 0).cpu().contiguous().clone() for name, mask in masks.items()}
    try:
        Path(path).write_bytes(save(tensors))
    except OSError as exc:
        raise UsageError(f"cannot write {path}: {exc}; name another file") from exc


def load_masks(path: str | Path) -> Masks:
    """Read what :func:`save_masks` wrote; ``apply_masks`` says whether they fit a network.

    Raises:
        UsageError: there is no such file, it is damaged, or it holds other things than masks.
    """
    load_file = require("safetensors.torch", extra="export").load_file
    try:
        masks: Masks = load_file(Path(path))
    except Exception as exc:  # safetensors raises its own Rust error type
        raise UsageError(
            f"{path} cannot be read as a file of masks ({first_line(exc)}); name the "
            f"{MASKS_NAME} of a masked bundle"
        ) from exc
    for name, mask in masks.items():
        if mask.dtype != torch.bool:
            raise UsageError(
                f"{path} holds no masks: '{name}' is {mask.dtype}, expected bool; name the "
                f"{MASKS_NAME} of a masked bundle"
            )
    return masks


def masks_of(bundle: Bundle, module: nn.Module) -> Masks | None:
    """Return the masks of a bundle, or None where it has none.

    Args:
        bundle: a folder.
        module: its network, in which masked weights must be 0.

    Raises:
        UsageError: the file is damaged.
        PruningError: the masks are of another network, or a masked weight is not 0.
    """
    entries = bundle.manifest.files_of(MASKS_FORMAT)
    if not entries:
        return None
    masks = load_masks(bundle.path_of(entries[0]))
    if alive := count_regrown(module, masks):
        raise PruningError(
            f"{bundle.root}: {alive} weights that {entries[0].path} masks are not 0; the weights "
            "and the masks are not of one run: mask the dense network again"
        )
    return masks


def copy_with_masks(
    source: Bundle,
    out: Path,
    masks: Mapping[str, torch.Tensor],
    masking: Masking,
    *,
    force: bool = False,
) -> Bundle:
    """Write a bundle again with the masks beside its weights.

    Args:
        source: the bundle without them.
        out: folder to write.
        masks: of its weights.
        masking: how they came to be; kept in the manifest, at the file's details.
        force: replace a bundle at ``out``.

    Raises:
        BundleError: ``out`` exists or cannot be written.
    """
    with staged_folder(out, force=force) as folder:
        for entry in source.manifest.files:
            target = folder / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.path_of(entry), target)
        save_masks(folder / MASKS_NAME, masks)
        entry = describe_file(folder, MASKS_NAME, MASKS_FORMAT, details=masking_document(masking))
        manifest = source.manifest
        finish(folder, replace(manifest, files=(*manifest.files, entry)))
    return Bundle.load(Path(out))
