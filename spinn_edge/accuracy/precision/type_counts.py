"""How much of a model file is in which number format, and whether that is what the file claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spinn_edge.core.manifest import PRECISIONS

LEAST_SHARE = 0.5
"""Of the weights, that a file must hold in the precision that it claims."""

_BYTES = {"int8": 1, "fp16": 2, "bf16": 2, "fp32": 4, "fp64": 8}


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeCounts:
    """What was counted in one file. A type is called as in ``PRECISIONS``, or bf16, fp64.

    Attributes:
        layers: how many layers compute in each type.
        counted_from: where the types of the layers were read, in words.
        weight_values: how many numbers of weights are held in each type. A weight has two axes or
            more: biases, scales and zero points are no weights.
    """

    layers: Mapping[str, int]
    counted_from: str
    weight_values: Mapping[str, int] = field(default_factory=dict)

    @property
    def weight_bytes(self) -> dict[str, int]:
        """Bytes of weights in each type."""
        return {kind: _BYTES[kind] * count for kind, count in self.weight_values.items()}

    def weight_share(self, precision: str) -> float | None:
        """Return the share of the weights' numbers in one type; None without weights."""
        total = sum(self.weight_values.values())
        return self.weight_values.get(precision, 0) / total if total else None

    def details(self) -> dict[str, Any]:
        """Return what ``FileEntry.details`` says of the types."""
        return {
            "layers": dict(self.layers),
            "layers_counted_from": self.counted_from,
            "weight_bytes": self.weight_bytes,
        }


def with_usual_kinds(layers: Mapping[str, int]) -> dict[str, int]:
    """Return counts of layers in which fp16 and fp32 are named even where there are none."""
    return {"fp16": 0, "fp32": 0, **layers}


def broken_claim(precision: str, counts: TypeCounts) -> str | None:
    """Say what a file lacks of the precision that it claims; None where it lacks nothing.

    A file in fp16 must have layers that compute in it. One in int8 may hold its weights alone in
    it. Both must hold at least ``LEAST_SHARE`` of their weights in it, as far as they have any.

    Args:
        precision: what the file claims.
        counts: what was counted in it.
    """
    if precision == PRECISIONS[0]:
        return None
    share = counts.weight_share(precision)
    weights_suffice = precision == "int8" and share is not None
    if not counts.layers.get(precision) and not weights_suffice:
        counted = ", ".join(f"{number} in {kind}" for kind, number in counts.layers.items())
        return f"none of its layers does ({counted})"
    if share is not None and share < LEAST_SHARE:
        return (
            f"only {share:.1%} of its weights are in {precision}, "
            f"expected at least {LEAST_SHARE:.0%}"
        )
    return None
