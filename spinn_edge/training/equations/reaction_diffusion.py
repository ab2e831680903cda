"""Reaction and diffusion; no closed form (the source solves it by operator splitting).

Source: Krishnapriyan, Gholami, Zhe, Kirby and Mahoney (2021), "Characterizing possible failure
modes in physics-informed neural networks", rho = 5, nu = 3.
"""

from __future__ import annotations

import torch

from spinn_edge.training.equations.conditions import (
    WIDTHS,
    initial,
    mean_square,
    periodic,
    time_and_place,
)
from spinn_edge.training.equations.problem import Evaluate, Points, Problem
from spinn_edge.training.equations.reaction import PLACE, RATE, start

DIFFUSION = 3.0


def loss(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return residual, initial and periodic terms, equally weighted."""
    u, slopes = evaluate(points["interior"], [(0,), (1, 1)])
    residual = slopes[0,] - DIFFUSION * slopes[1, 1] - RATE * u * (1 - u)
    return mean_square(residual) + initial(evaluate, points) + periodic(evaluate, points)


PROBLEM = Problem(
    name="reaction-diffusion",
    title="Reaction–diffusion",
    formula="u_t = 3 u_xx + 5 u (1 - u), u(0, x) Gaussian, periodic, 0 <= x <= 2 pi",
    widths=WIDTHS,
    sample=lambda generator: time_and_place(generator, PLACE, start),
    loss=loss,
)
