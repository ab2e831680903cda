"""Central differences whose points are float32 numbers, so that a float32 form sees exactly them.

``x + h`` is rounded to float32 and the distance that is really there is divided by. The formulas
hold for unequal distances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spinn_edge.core.derivatives import Channel, Derivative
from spinn_edge.core.tensors import Array

Feeds = Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stencil:
    """Where to evaluate, and how to weigh what comes out.

    Attributes:
        feeds: one set of inputs for each point of the formula, float32, shape (rows, columns).
        weights: likewise, shape (rows,), float64: the derivative is the weighted sum.
    """

    feeds: tuple[Feeds, ...]
    weights: tuple[Array, ...]

    @property
    def amplification(self) -> float:
        """How much larger independent noise is in the derivative than in the outputs; worst row."""
        return float(np.sqrt(sum(weight**2 for weight in self.weights)).max())

    @property
    def usable(self) -> bool:
        """False where two points fell together."""
        return all(bool(np.isfinite(weight).all()) for weight in self.weights)


def make_stencil(feeds: Feeds, derivative: Derivative, steps: Mapping[Channel, float]) -> Stencil:
    """Lay points around every sample.

    Args:
        feeds: inputs by name, float32, shape (rows, columns).
        derivative: what is wanted.
        steps: distance of the points, for each of the derivative's inputs, in its unit.

    Source: for f'' at unequal distances a (up) and b (down),
    2 [f(x+a) / (a (a+b)) - f(x) / (a b) + f(x-b) / (b (a+b))]: the second derivative of the
    parabola through three points; for the mixed derivative, the product of two first differences.
    """
    one = derivative.inputs[0]
    up, down = (_moved(feeds, {one: sign * steps[one]}) for sign in (1, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        if derivative.order == 1:
            width = _column(up, one) - _column(down, one)
            return Stencil(feeds=(up, down), weights=(1 / width, -1 / width))
        other = derivative.inputs[1]
        if one == other:
            middle = _column(feeds, one)
            a, b = _column(up, one) - middle, middle - _column(down, one)
            return Stencil(
                feeds=(up, feeds, down),
                weights=(2 / (a * (a + b)), -2 / (a * b), 2 / (b * (a + b))),
            )
        corners, weights = [], []
        area = (_column(up, one) - _column(down, one)) * _width(feeds, other, steps[other])
        for first in (1, -1):
            for second in (1, -1):
                corners.append(
                    _moved(feeds, {one: first * steps[one], other: second * steps[other]})
                )
                weights.append(first * second / area)
    return Stencil(feeds=tuple(corners), weights=tuple(weights))


def apply_stencil(stencil: Stencil, values: Sequence[Array]) -> Array:
    """Return the derivative, float64, shape (rows,).

    Args:
        stencil: says the weights.
        values: what the function gave at each of its feeds, shape (rows,).
    """
    terms = [
        weight * np.asarray(value, np.float64)
        for weight, value in zip(stencil.weights, values, strict=True)
    ]
    return np.asarray(sum(terms[1:], terms[0]))


def line_through(feeds: Feeds, row: int, channel: Channel, spacing: float, points: int) -> Feeds:
    """Return samples along one input through one sample, shape (points, columns), float32."""
    offsets = spacing * (np.arange(points) - points // 2)
    line = {name: np.repeat(array[row : row + 1], points, axis=0) for name, array in feeds.items()}
    column = line[channel.tensor][:, channel.index].astype(np.float64) + offsets
    line[channel.tensor][:, channel.index] = column.astype(line[channel.tensor].dtype)
    return line


def spread(feeds: Feeds, channel: Channel) -> float:
    """Return the standard deviation of an input, or its magnitude where it is constant, or 1."""
    column = _column(feeds, channel)
    return float(column.std()) or float(np.abs(column).max()) or 1.0


def evaluate_all(stencil: Stencil, evaluate: Callable[[Feeds], Array]) -> Array:
    """Evaluate at all points of a stencil in one go and return the derivative, shape (rows,)."""
    names = stencil.feeds[0]
    together = {name: np.concatenate([feeds[name] for feeds in stencil.feeds]) for name in names}
    return apply_stencil(stencil, np.split(evaluate(together), len(stencil.feeds)))


def _moved(feeds: Feeds, offsets: Mapping[Channel, float]) -> dict[str, Array]:
    moved = {name: array.copy() for name, array in feeds.items()}
    for channel, offset in offsets.items():
        array = moved[channel.tensor]
        column = array[:, channel.index].astype(np.float64) + offset
        array[:, channel.index] = column.astype(array.dtype)
    return moved


def _width(feeds: Feeds, channel: Channel, step: float) -> Array:
    up, down = (_moved(feeds, {channel: sign * step}) for sign in (1, -1))
    return np.asarray(_column(up, channel) - _column(down, channel))


def _column(feeds: Feeds, channel: Channel) -> Array:
    return np.asarray(feeds[channel.tensor][:, channel.index], np.float64)
