"""The range of the data, and samples drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from spinn_edge.core.tensors import Array

EVERY_CORNER = 10
"""Features up to which every corner of the range is taken: 2^10 are 1024."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRange:
    """Between which values every feature of every input lies.

    A sample of the range is written as a point of the unit cube, one number a feature, features of
    all inputs one after the other.

    Attributes:
        low: by input name, in the input's dtype, shape of one sample.
        high: likewise.
    """

    low: Mapping[str, Array]
    high: Mapping[str, Array]

    @property
    def features(self) -> int:
        """Numbers in one sample."""
        return sum(array.size for array in self.low.values())

    @property
    def free(self) -> Array:
        """Positions of the features that vary, shape (any,)."""
        return np.flatnonzero(
            np.concatenate([(self.low[name] != self.high[name]).ravel() for name in self.low])
        )

    def samples(self, points: Array) -> dict[str, Array]:
        """Return inputs for points of the unit cube.

        Args:
            points: float64, shape (rows, features), in [0, 1].

        Returns:
            By input name, in its dtype, shape (rows, ...). Whole numbers are rounded to.
        """
        made, start = {}, 0
        for name, low in self.low.items():
            high = self.high[name]
            part = points[:, start : start + low.size].reshape(-1, *low.shape)
            start += low.size
            values = low.astype(np.float64) + part * (
                high.astype(np.float64) - low.astype(np.float64)
            )
            if low.dtype.kind != "f":
                values = np.rint(values)
            made[name] = np.clip(values.astype(low.dtype), low, high)
        return made

    def points(self, inputs: Mapping[str, Array]) -> Array:
        """Return the points of the unit cube that samples are; shape (rows, features)."""
        parts = []
        for name, low in self.low.items():
            width = self.high[name].astype(np.float64) - low.astype(np.float64)
            offset = inputs[name].astype(np.float64) - low.astype(np.float64)
            share = np.divide(offset, width, out=np.zeros_like(offset), where=width > 0)
            parts.append(share.reshape(len(offset), -1))
        return np.concatenate(parts, axis=1)


def range_of(inputs: Mapping[str, Array]) -> InputRange:
    """Return each feature's smallest and largest value over samples.

    Golden inputs that were drawn from a table hold every column's extremes, so for them it is the
    range of the data.

    Args:
        inputs: by name, shape (rows, ...).
    """
    return InputRange(
        low={name: array.min(axis=0) for name, array in inputs.items()},
        high={name: array.max(axis=0) for name, array in inputs.items()},
    )


def draw_corners(
    space: InputRange, inputs: Mapping[str, Array], most: int, generator: np.random.Generator
) -> Array:
    """Return corners of the range, no two alike.

    Every corner where there are no more than ``most``. Else all features at their smallest, all at
    their largest, the corners nearest to samples (where data goes first when it leaves its range),
    and then corners at random.

    Args:
        space: the range.
        inputs: samples of the data.
        most: corners to return at most.
        generator: of the draws.

    Returns:
        Points, shape (corners, features).
    """
    free = space.free
    if len(free) <= EVERY_CORNER and 2 ** len(free) <= most:
        signs = np.array(list(product((0.0, 1.0), repeat=len(free)))).reshape(2 ** len(free), -1)
    else:
        ends = np.repeat([[0.0], [1.0]], len(free), axis=1)
        near = np.rint(space.points(inputs)[:, free])[: most // 2]
        drawn = generator.integers(0, 2, size=(most, len(free))).astype(np.float64)
        together = np.concatenate([ends, near, drawn])
        first = np.unique(together, axis=0, return_index=True)[1]
        signs = together[np.sort(first)[:most]]
    corners = np.zeros((len(signs), space.features))
    corners[:, free] = signs
    return corners
