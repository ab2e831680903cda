"""The step of a central difference: long enough for the noise, short enough for the curvature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from spinn_edge.accuracy.physics.noise import POINTS, mostly_equal, noise_level
from spinn_edge.accuracy.physics.stencils import (
    Stencil,
    evaluate_all,
    line_through,
    make_stencil,
    spread,
)
from spinn_edge.core.derivatives import Channel, Derivative
from spinn_edge.core.tensors import Array

Feeds = Mapping[str, Array]
Evaluate = Callable[[Feeds, Channel], Array]
"""From inputs to one column of an output, shape (rows,)."""

STEPS = tuple(2.0**power for power in range(-13, 2))
"""Steps that are tried, shares of the input's spread."""

DEVIATIONS = 4.0
"""Standard deviations of noise that a bound allows for: the largest of some hundred normal numbers
stays below in all but one of a hundred cases."""

_LINES = 4
_SPACINGS = tuple(2.0**power for power in (-12, -9, -6, -3))
_FLOAT32_ROUNDING = 2.0**-25
"""No float32 output can be nearer to the truth than this share of it, on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step and what it must be expected to cost.

    Attributes:
        share: of the inputs' spread.
        stencil: points and weights.
        truncation: largest error of the formula itself, measured on the float64 network.
        noise: bound of what the form's rounding adds: ``DEVIATIONS`` times its deviation.
    """

    share: float
    stencil: Stencil
    truncation: float
    noise: float

    @property
    def expected(self) -> float:
        """Error that formula and rounding explain, in the derivative's unit."""
        return self.truncation + self.noise


def measure_noise(form: Evaluate, exact: Evaluate, feeds: Feeds, derivative: Derivative) -> float:
    """Return the deviation of a form's rounding along the derivative's inputs, output units.

    Values are taken along short lines through some samples. What the float64 network gives at the
    same points is subtracted first, so that the lines may be long enough for coarse number formats.
    A line whose values are mostly equal is too short for the format and is taken again, longer.

    Args:
        form: what is deployed.
        exact: the float64 network.
        feeds: samples.
        derivative: says which inputs and which output.
    """
    rows = len(next(iter(feeds.values())))
    levels = []
    for channel in dict.fromkeys(derivative.inputs):
        for row in np.linspace(0, rows - 1, min(rows, _LINES)).astype(int):
            for share in _SPACINGS:
                line = line_through(feeds, row, channel, share * spread(feeds, channel), POINTS)
                values = np.asarray(form(line, derivative.output), np.float64)
                if not mostly_equal(values):
                    break
            levels.append(noise_level(values - exact(line, derivative.output)))
    output = np.abs(exact(feeds, derivative.output))
    return max(*levels, float(output.max()) * _FLOAT32_ROUNDING)


def choose_step(
    exact: Evaluate, feeds: Feeds, derivative: Derivative, reference: Array, noise: float
) -> Step:
    """Return the step with the least expected error.

    The error of the formula is not estimated from higher derivatives: the formula is applied to
    the float64 network and compared with its automatic derivative.

    Args:
        exact: the float64 network.
        feeds: samples, float32.
        derivative: what is wanted.
        reference: that derivative by automatic differentiation, shape (rows,).
        noise: deviation of the form's rounding, output units.

    Source: the two parts of the error, and their balance, as in Gill, Murray, Saunders and Wright
    (1983), "Computing forward-difference intervals for numerical optimization", and Moré and Wild
    (2012), "Estimating derivatives of noisy simulations".
    """
    found = []
    for share in STEPS:
        steps = {channel: share * spread(feeds, channel) for channel in derivative.inputs}
        stencil = make_stencil(feeds, derivative, steps)
        if not stencil.usable:
            continue
        values = evaluate_all(stencil, lambda points: exact(points, derivative.output))
        found.append(
            Step(
                share=share,
                stencil=stencil,
                truncation=float(np.abs(values - reference).max()),
                noise=DEVIATIONS * noise * stencil.amplification,
            )
        )
    return min(found, key=lambda step: step.expected)
