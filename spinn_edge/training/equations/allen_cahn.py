"""Allen–Cahn: two phases that separate; no closed form.

Source: Raissi, Perdikaris and Karniadakis (2019), "Physics-informed neural networks", Journal of
Computational Physics 378: coefficients, domain and conditions.
"""

from __future__ import annotations

import math

import torch

from spinn_edge.training.equations.conditions import (
    WIDTHS,
    initial,
    mean_square,
    smoothly_periodic,
    time_and_place,
)
from spinn_edge.training.equations.problem import Evaluate, Points, Problem

DIFFUSION = 1e-4
RATE = 5.0


def start(x: torch.Tensor) -> torch.Tensor:
    """Return x^2 cos(pi x)."""
    return x**2 * torch.cos(math.pi * x)


def loss(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return residual, initial and periodic terms, equally weighted."""
    u, slopes = evaluate(points["interior"], [(0,), (1, 1)])
    residual = slopes[0,] - DIFFUSION * slopes[1, 1] + RATE * (u**3 - u)
    return mean_square(residual) + initial(evaluate, points) + smoothly_periodic(evaluate, points)


PROBLEM = Problem(
    name="allen-cahn",
    title="Allen–Cahn",
    formula="u_t = 0.0001 u_xx - 5 u^3 + 5 u, u(0, x) = x^2 cos(pi x), u and u_x periodic, "
    "-1 <= x <= 1",
    widths=WIDTHS,
    sample=lambda generator: time_and_place(generator, (-1.0, 1.0), start),
    loss=loss,
)
