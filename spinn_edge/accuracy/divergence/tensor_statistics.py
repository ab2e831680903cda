"""What a tensor looks like, in a few figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_edge.core.tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorStatistics:
    """Figures of the finite values of a tensor; None where it holds none.

    Attributes:
        min: smallest value.
        max: largest value.
        mean: arithmetic mean.
        std: standard deviation about it, of the whole population.
        not_finite_share: share of values that are NaN or Inf, in [0, 1].
    """

    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    not_finite_share: float


def tensor_statistics(values: Array) -> TensorStatistics:
    """Return the figures of a tensor of any shape; computed in float64."""
    numbers = np.asarray(values, np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    share = 1.0 - len(finite) / len(numbers) if len(numbers) else 0.0
    if len(finite) == 0:
        return TensorStatistics(min=None, max=None, mean=None, std=None, not_finite_share=share)
    return TensorStatistics(
        min=float(finite.min()),
        max=float(finite.max()),
        mean=float(finite.mean()),
        std=float(finite.std()),
        not_finite_share=share,
    )
