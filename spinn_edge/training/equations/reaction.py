"""Reaction: logistic growth at every place.

Source: Krishnapriyan, Gholami, Zhe, Kirby and Mahoney (2021), "Characterizing possible failure
modes in physics-informed neural networks": reaction-diffusion without its diffusion, rho = 5.
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

RATE = 5.0
PLACE = (0.0, 2 * math.pi)


def start(x: torch.Tensor) -> torch.Tensor:
    """Return a Gaussian around pi, of deviation pi / 4."""
    return torch.exp(-(((x - math.pi) / (math.pi / 4)) ** 2) / 2)


def loss(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return residual, initial and periodic terms, equally weighted."""
    u, slopes = evaluate(points["interior"], [(0,)])
    residual = slopes[0,] - RATE * u * (1 - u)
    return mean_square(residual) + initial(evaluate, points) + periodic(evaluate, points)


def exact(x: torch.Tensor) -> torch.Tensor:
    """Return the logistic curve through the initial condition."""
    grown = start(x[:, 1:]) * torch.exp(RATE * x[:, :1])
    return grown / (grown + 1 - start(x[:, 1:]))


PROBLEM = Problem(
    name="reaction",
    title="Reaction",
    formula="u_t = 5 u (1 - u), u(0, x) Gaussian, periodic, 0 <= x <= 2 pi",
    widths=WIDTHS,
    sample=lambda generator: time_and_place(generator, PLACE, start),
    loss=loss,
    exact=exact,
)
