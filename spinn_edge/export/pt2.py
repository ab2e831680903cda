"""PT2, the successor of TorchScript, through ``torch.export``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spinn_edge.core.errors import ExportError, first_line
from spinn_edge.core.manifest import PRECISIONS, FileEntry
from spinn_edge.core.optional import require
from spinn_edge.export.module_precision import describe_counted, file_name, in_precision
from spinn_edge.export.registry import ExportJob


def export_pt2(job: ExportJob) -> tuple[FileEntry, ...]:
    """Write ``model.pt2``, or ``model.fp16.pt2``, with a dynamic batch axis named ``batch``.

    Raises:
        ExportError: torch cannot export the module, or it is not in the precision of the job.
    """
    torch = require("torch", extra="export")
    module, sample = exportable(job, torch, "PT2")
    name, shapes = file_name("pt2", job.precision), dynamic_batch(job, torch)
    if job.precision != PRECISIONS[0]:
        module, shapes = in_precision(module, job.precision), (shapes,)  # it takes *inputs
    try:
        with export_warnings_silenced():
            program = torch.export.export(module, sample, dynamic_shapes=shapes)
            # With several inputs torch writes Python into the file that compares their batches,
            # which load_pt2 refuses as a stranger's code; check_feeds compares them as well.
            program._guards_code = []
            torch.export.save(program, job.folder / name)
    except Exception as exc:  # export runs the user's own code and raises many types
        raise ExportError(f"torch.export failed ({type(exc).__name__}): {first_line(exc)}") from exc
    return (describe_counted(job, name, "pt2"),)


def exportable(job: ExportJob, torch: Any, format_name: str) -> tuple[Any, tuple[Any, ...]]:
    """Return the module and its sample tensors.

    Raises:
        ExportError: the model exists only in a form that ``torch.export`` does not take.
    """
    if job.module is None or isinstance(job.module, torch.jit.ScriptModule):
        kind = "an .onnx" if job.module is None else "a TorchScript file"
        raise ExportError(f"{kind} cannot be turned into {format_name}; export from its source")
    return job.module, tuple(torch.from_numpy(job.sample[spec.name]) for spec in job.inputs)


def dynamic_batch(job: ExportJob, torch: Any) -> tuple[Any, ...]:
    """Return ``dynamic_shapes``: axis 0 of every input is one dimension named ``batch``."""
    batch = torch.export.Dim("batch")
    return tuple({0: batch} for _ in job.inputs)


@contextmanager
def export_warnings_silenced() -> Iterator[None]:
    """Silence torch 2.13's warnings about its own insides, and no others."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*isinstance\(treespec", category=FutureWarning)
        # a module that came out of a .pt2 has no training mode, yet says it is in one
        warnings.filterwarnings("ignore", message=r"Exporting a model while it is in training mode")
        # several inputs share the one axis that is named batch
        warnings.filterwarnings("ignore", message=r"# The axis name: batch will not be used")
        yield
