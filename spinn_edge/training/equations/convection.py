"""Convection: a sine that travels.

Source: Krishnapriyan, Gholami, Zhe, Kirby and Mahoney (2021), "Characterizing possible failure
modes in physics-informed neural networks", beta = 30.
"""

from __future__ import annotations

import math

import torch

from spinn_edge.training.equations.conditions import (
    WIDTHS,
    initial,
    mean_square,
    periodic,
    time_and_place,
)
from spinn_edge.training.equations.problem import Evaluate, Points, Problem

SPEED = 30.0


def loss(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return residual, initial and periodic terms, equally weighted."""
    _, slopes = evaluate(points["interior"], [(0,), (1,)])
    residual = slopes[0,] + SPEED * slopes[1,]
    return mean_square(residual) + initial(evaluate, points) + periodic(evaluate, points)


def exact(x: torch.Tensor) -> torch.Tensor:
    """Return sin(x - beta t)."""
    return torch.sin(x[:, 1:] - SPEED * x[:, :1])


PROBLEM = Problem(
    name="convection",
    title="Convection",
    formula="u_t + 30 u_x = 0, u(0, x) = sin x, periodic, 0 <= x <= 2 pi",
    widths=WIDTHS,
    sample=lambda generator: time_and_place(generator, (0.0, 2 * math.pi), torch.sin),
    loss=loss,
    exact=exact,
)
