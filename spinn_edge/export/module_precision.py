"""A module, and the name of its file, in the precision of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinn_edge.core.manifest import PRECISIONS

if TYPE_CHECKING:
    from torch import nn


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
