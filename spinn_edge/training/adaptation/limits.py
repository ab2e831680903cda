"""What values a stream may hold: numbers, and not absurdly far from what training saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spinn_edge.core.manifest import Manifest
from spinn_edge.core.tensors import Array
from spinn_edge.training.dataset import Floats

NOISE = "standard normal noise"
"""How the source of golden inputs begins where they say nothing about real data."""

TRAINING_SPREAD = 3.0
"""Standard deviations about the mean that count as the range of training, where both are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueLimits:
    """The range that training saw, one entry a column.

    Attributes:
        names: of features, then targets.
        middle: of each range, column units.
        half_width: likewise; infinite where no range is known.
        factor: how many half widths from the middle are still believed.
    """

    names: tuple[str, ...]
    middle: Floats
    half_width: Floats
    factor: float

    def fault(self, values: Floats, numbers: Sequence[int]) -> str | None:
        """Say what cannot be learnt from; None for values that can.

        Args:
            values: float64, shape (rows, features + targets).
            numbers: of the rows in their stream.
        """
        bad = ~np.isfinite(values)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            return (
                f"column '{self.names[column]}' is {values[row, column]:g} in row {numbers[row]}; "
                "a number was expected"
            )
        reach = self.factor * self.half_width
        far = np.abs(values - self.middle) > reach
        if not far.any():
            return None
        row, column = np.argwhere(far)[0]
        low, high = (self.middle + sign * reach for sign in (-1, 1))
        return (
            f"column '{self.names[column]}' is {values[row, column]:g} in row {numbers[row]}; "
            f"believed are {low[column]:g} to {high[column]:g}, {self.factor:g} times the range of "
            "training"
        )


def limits_of(
    manifest: Manifest, inputs: Array, outputs: Array, names: Sequence[str], factor: float
) -> ValueLimits:
    """Return the limits that a bundle implies.

    The range of a column is that of the golden data (the training data's extremes are among them)
    together with mean ± 3 standard deviations where the manifest knows them. Golden noise says
    nothing about real data, so without training facts it sets no limits.

    Args:
        manifest: of the bundle.
        inputs: golden inputs, shape (samples, features).
        outputs: golden outputs, shape (samples, targets).
        names: of features, then targets.
        factor: see :class:`ValueLimits`.
    """
    golden = np.hstack([inputs, outputs]).astype(np.float64)
    low, high = golden.min(axis=0), golden.max(axis=0)
    if manifest.training is not None:
        scaling = manifest.training.scaling
        mean = np.array([*scaling.feature_mean, *scaling.target_mean])
        spread = TRAINING_SPREAD * np.array([*scaling.feature_std, *scaling.target_std])
        low, high = np.minimum(low, mean - spread), np.maximum(high, mean + spread)
    middle, half = (low + high) / 2, (high - low) / 2
    half = np.where(half > 0, half, np.where(middle != 0, np.abs(middle), 1.0))  # constant columns
    if manifest.training is None and manifest.golden_source.startswith(NOISE):
        half = np.full_like(half, np.inf)
    return ValueLimits(names=tuple(names), middle=middle, half_width=half, factor=factor)
