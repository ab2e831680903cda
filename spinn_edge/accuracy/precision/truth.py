"""Whether files are in the precision that the manifest writes down for them.

A claim is believed of nobody, of this package neither: it is counted in the file itself, when it
is written and again by ``verify``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from spinn_edge.accuracy.precision.onnx_types import count_onnx
from spinn_edge.accuracy.precision.torch_types import count_pt2, count_torchscript
from spinn_edge.accuracy.precision.type_counts import TypeCounts, broken_claim
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import (
    ExportError,
    MissingDependencyError,
    SpinnEdgeError,
    UsageError,
    first_line,
)
from spinn_edge.core.manifest import PRECISIONS

COUNTERS = {"onnx": count_onnx, "torchscript": count_torchscript, "pt2": count_pt2}
"""By format. Types in an engine are known to TensorRT alone, on a GPU: export reads them there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a file says it computes in, and what was counted in it.

    Attributes:
        path: of the file in its bundle.
        precision: what the manifest says.
        holds: whether that is so; None where it could not be counted on this machine.
        reason: why it does not hold or was not counted; None where it holds.
        layers: counted layers by type.
        weight_bytes: counted bytes of weights by type.
    """

    path: str
    precision: str
    holds: bool | None
    reason: str | None = None
    layers: Mapping[str, int] = field(default_factory=dict)
    weight_bytes: Mapping[str, int] = field(default_factory=dict)


def check_precision(path: Path, precision: str, counts: TypeCounts) -> None:
    """Refuse a file that was just written and is not in the precision that it claims.

    Raises:
        ExportError: says what was counted.
    """
    if (fault := broken_claim(precision, counts)) is not None:
        raise ExportError(
            f"{path.name} should compute in {precision}, but {fault}; "
            f"leave {precision} out of --precision"
        )


def check_claims(
    bundle: Bundle,
    formats: Collection[str] = tuple(COUNTERS),
    precisions: Collection[str] = PRECISIONS,
) -> tuple[Claim, ...]:
    """Count the types in every file that claims another precision than the first.

    Args:
        bundle: a loaded bundle.
        formats: of the files to look into; those that are not in ``COUNTERS`` are left out.
        precisions: likewise.
    """
    return tuple(
        _check(bundle.path_of(entry), entry.path, entry.format, entry.precision)
        for entry in bundle.manifest.files
        if entry.format in COUNTERS
        and entry.format in formats
        and entry.precision in precisions
        and entry.precision != PRECISIONS[0]
    )


def _check(path: Path, name: str, format_name: str, precision: str) -> Claim:
    try:
        counts = COUNTERS[format_name](path)
    except MissingDependencyError as exc:
        reason = f"not checked: {exc.module} is not installed"
        return Claim(path=name, precision=precision, holds=None, reason=reason)
    except UsageError as exc:  # it could run code, so it is not opened
        reason = f"not checked: {first_line(exc)}"
        return Claim(path=name, precision=precision, holds=None, reason=reason)
    except SpinnEdgeError as exc:
        return Claim(path=name, precision=precision, holds=False, reason=first_line(exc))
    fault = broken_claim(precision, counts)
    return Claim(
        path=name,
        precision=precision,
        holds=fault is None,
        reason=fault and f"{name} is written down as {precision}, but {fault}; export it again",
        layers=counts.layers,
        weight_bytes=counts.weight_bytes,
    )
