"""Reading ``.pt2`` files without unpickling what a stranger put into them.

``torch.export.load`` calls ``torch.load(weights_only=False)`` and ``pickle.loads`` for some parts
of an archive (torch 2.13, ``torch/export/pt2_archive/_package.py`` and
``torch/_export/serde/serialize.py``), so an archive can run code while it is loaded. A plain model
needs none of these parts; this file looks into the archive first and refuses one that has them.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from spinn_edge.core.errors import BundleError, SpinnEdgeError, UsageError, first_line
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import TensorSpec

PICKLE_RISK = (
    "unpickling can run any code that its author put in, with your rights; "
    "if you trust the author, repeat with --trust-pickle"
)


def load_pt2(path: Path, *, trust_pickle: bool = False) -> Any:
    """Load an exported program.

    Args:
        path: a file that ``torch.export.save`` wrote.
        trust_pickle: load it even if parts of it need unpickling.

    Returns:
        A ``torch.export.ExportedProgram``.

    Raises:
        MissingDependencyError: torch is not installed.
        UsageError: the file needs unpickling and ``trust_pickle`` is False.
        BundleError: the file is corrupt or is no PT2 archive.
    """
    torch = require("torch", extra="export")
    try:
        if not trust_pickle:
            _refuse_pickles(path, torch)
        return torch.export.load(path)
    except SpinnEdgeError:
        raise
    except Exception as exc:  # torch raises a dozen kinds, RuntimeError to KeyError, on bad files
        raise BundleError(
            f"{path} cannot be loaded as a PT2 program ({type(exc).__name__}: {first_line(exc)}); "
            "it is corrupt, or another torch wrote it: export the model again"
        ) from exc


def program_inputs(program: Any) -> tuple[TensorSpec, ...]:
    """Return the inputs of an exported program; symbolic sizes become dynamic axes."""
    torch = require("torch", extra="export")
    wanted = program.graph_signature.user_inputs
    specs = []
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in wanted:
            example = node.meta["val"]
            shape = tuple(size if isinstance(size, int) else None for size in example.shape)
            dtype = torch.empty(0, dtype=example.dtype).numpy().dtype
            specs.append(TensorSpec(node.name, shape, dtype))
    return tuple(specs)


def _refuse_pickles(path: Path, torch: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if not any(name.endswith("/archive_format") for name in names):
            raise BundleError(f"{path} is no PT2 archive of torch 2.9 or later; export it again")
        for name in names:
            if "/data/sample_inputs/" in name:
                _refuse_unsafe_load(archive.read(name), f"{path}: {name}", torch)
            elif name.endswith("_config.json"):
                entries = json.loads(archive.read(name)).get("config", {})
                if any(entry.get("use_pickle") for entry in entries.values()):
                    raise UsageError(f"{path}: {name} lists pickled tensors; {PICKLE_RISK}")
            elif "/data/constants/custom_obj" in name:
                raise UsageError(f"{path}: {name} is a pickled object; {PICKLE_RISK}")


def _refuse_unsafe_load(content: bytes, where: str, torch: Any) -> None:
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception as exc:  # whatever the reason, torch's own loader would now unpickle freely
        raise UsageError(f"{where} needs unpickling ({first_line(exc)}); {PICKLE_RISK}") from exc
