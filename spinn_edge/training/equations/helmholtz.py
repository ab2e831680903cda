"""Helmholtz in two dimensions, with a source term made from its solution.

Source: Wang, Teng and Perdikaris (2021), "Understanding and mitigating gradient flow pathologies in
physics-informed neural networks", SIAM Journal on Scientific Computing 43.
"""

from __future__ import annotations

import math

import torch

from spinn_edge.training.equations.conditions import EDGE, INTERIOR, WIDTHS, mean_square, uniform
from spinn_edge.training.equations.problem import Evaluate, Points, Problem

WAVE_NUMBER = 1.0
WAVES = (1.0, 4.0)
BOX = (-1.0, 1.0)


def exact(x: torch.Tensor) -> torch.Tensor:
    """Return sin(pi x) sin(4 pi y)."""
    return torch.sin(math.pi * WAVES[0] * x[:, :1]) * torch.sin(math.pi * WAVES[1] * x[:, 1:])


def source(x: torch.Tensor) -> torch.Tensor:
    """Return what the solution leaves on the left side of the equation."""
    curvature = (math.pi * WAVES[0]) ** 2 + (math.pi * WAVES[1]) ** 2
    return (WAVE_NUMBER**2 - curvature) * exact(x)


def sample(generator: torch.Generator) -> tuple[Points, ...]:
    """Draw points inside the square and on its four sides."""
    interior = uniform(generator, INTERIOR, BOX, BOX)
    sides = [uniform(generator, EDGE, (end, end), BOX) for end in BOX]
    sides += [uniform(generator, EDGE, BOX, (end, end)) for end in BOX]
    return ({"interior": interior, "source": source(interior), "edge": torch.cat(sides)},)


def loss(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return residual and boundary terms, equally weighted."""
    u, slopes = evaluate(points["interior"], [(0, 0), (1, 1)])
    residual = slopes[0, 0] + slopes[1, 1] + WAVE_NUMBER**2 * u - points["source"]
    edge, _ = evaluate(points["edge"], [])
    return mean_square(residual) + mean_square(edge)


PROBLEM = Problem(
    name="helmholtz",
    title="Helmholtz",
    formula="u_xx + u_yy + u = q(x, y), u = 0 on the edge of the square -1 <= x, y <= 1",
    widths=WIDTHS,
    sample=sample,
    loss=loss,
    exact=exact,
)
