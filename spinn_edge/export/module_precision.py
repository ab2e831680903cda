"""A module, and the name of its file, in the precision of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinn_edge.accuracy.precision.truth import COUNTERS, check_precision
from spinn_edge.core.bundle import describe_file
from spinn_edge.core.manifest import PRECISIONS, FileEntry
from spinn_edge.core.optional import require

if TYPE_CHECKING:
    from torch import nn

    from spinn_edge.export.registry import ExportJob


def in_precision(module: nn.Module, precision: str) -> nn.Module:
    """Return the module itself, or for fp16 a wrapper around a float16 copy.

    Raises:
        ExportError: the module has no float16 copy.
    """
    if precision == PRECISIONS[0]:
        return module
    from spinn_edge.export.half import HalfInside

    return HalfInside(module).eval()


def file_name(suffix: str, precision: str) -> str:
    """Return ``model.ts``, ``model.fp16.ts`` and their like."""
    mark = "" if precision == PRECISIONS[0] else f".{precision}"
    return f"model{mark}.{suffix}"


def describe_counted(job: ExportJob, name: str, format_name: str) -> FileEntry:
    """Return the entry of a file that PyTorch wrote, with the types that were counted in it.

    Args:
        job: what was asked for.
        name: of the file in the job's folder.
        format_name: a key of ``COUNTERS``.

    Raises:
        ExportError: it is not in the precision of the job.
    """
    counts = COUNTERS[format_name](job.folder / name)
    check_precision(job.folder / name, job.precision, counts)
    return describe_file(
        job.folder,
        name,
        format_name,
        precision=job.precision,
        toolchain={"torch": require("torch", extra="export").__version__},
        details=counts.details(),
    )
