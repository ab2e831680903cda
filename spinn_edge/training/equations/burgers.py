"""Burgers: a wave that steepens into a front.

Source: Raissi, Perdikaris and Karniadakis (2019), "Physics-informed neural networks", Journal of
Computational Physics 378; its solution: Basdevant et al. (1986), "Spectral and finite difference
solutions of the Burgers equation", Computers and Fluids 14.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from spinn_edge.training.equations.conditions import (
    WIDTHS,
    fixed_to_zero,
    initial,
    mean_square,
    time_and_place,
)
from spinn_edge.training.equations.problem import Evaluate, Points, Problem

VISCOSITY = 0.01 / math.pi
_NODES = 100
"""Of the Gauss–Hermite rule; enough for 1e-9 before and behind the front."""


def start(x: torch.Tensor) -> torch.Tensor:
    """Return -sin(pi x)."""
    return -torch.sin(math.pi * x)


def loss(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return residual, initial and boundary terms, equally weighted."""
    u, slopes = evaluate(points["interior"], [(0,), (1,), (1, 1)])
    residual = slopes[0,] + u * slopes[1,] - VISCOSITY * slopes[1, 1]
    return mean_square(residual) + initial(evaluate, points) + fixed_to_zero(evaluate, points)


def exact(x: torch.Tensor) -> torch.Tensor:
    """Return the Cole–Hopf solution, its two integrals by a Gauss–Hermite rule."""
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.hermite.hermgauss(_NODES))
    shifted = math.pi * (x[:, 1:] - 2 * torch.sqrt(VISCOSITY * x[:, :1]) * nodes)
    # the exponent less its largest value, which divides out
    heights = weights * torch.exp(-(1 + torch.cos(shifted)) / (2 * math.pi * VISCOSITY))
    upper = (torch.sin(shifted) * heights).sum(dim=1, keepdim=True)
    return -upper / heights.sum(dim=1, keepdim=True)


PROBLEM = Problem(
    name="burgers",
    title="Burgers",
    formula="u_t + u u_x = 0.01/pi u_xx, u(0, x) = -sin(pi x), u(t, -1) = u(t, 1) = 0",
    widths=WIDTHS,
    sample=lambda generator: time_and_place(generator, (-1.0, 1.0), start),
    loss=loss,
    exact=exact,
)
