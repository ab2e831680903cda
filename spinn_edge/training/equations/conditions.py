"""Points in a box of time and place, and the terms that hold a solution at its edges."""

from __future__ import annotations

import torch

from spinn_edge.training.derivatives import Columns
from spinn_edge.training.equations.problem import Evaluate, Function, Points

INTERIOR, EDGE = 2000, 100
"""Points of the residual, and of each initial or boundary condition: an epoch is one step on all
of them. Small enough for two cores; papers take 1,000 to 20,000."""
WIDTHS = (2, 64, 64, 64, 1)

SPACE: Columns = (1,)


def uniform(generator: torch.Generator, rows: int, *bounds: tuple[float, float]) -> torch.Tensor:
    """Draw points from a box, float64, (rows, len(bounds)); equal bounds fix a coordinate."""
    corners = torch.tensor(bounds, dtype=torch.float64)
    low, high = corners[:, 0], corners[:, 1]
    drawn = torch.rand(rows, len(bounds), generator=generator, dtype=torch.float64)
    return low + (high - low) * drawn


def time_and_place(
    generator: torch.Generator, place: tuple[float, float], start: Function
) -> tuple[Points, ...]:
    """Draw the points of a problem u(t, x), 0 <= t <= 1, with an initial condition and two ends.

    Args:
        generator: of the points.
        place: lowest and highest x.
        start: the initial condition, of x (rows, 1).
    """
    low, high = place
    at_start = uniform(generator, EDGE, (0.0, 0.0), place)
    at_low = uniform(generator, EDGE, (0.0, 1.0), (low, low))
    at_high = torch.cat([at_low[:, :1], torch.full_like(at_low[:, :1], high)], dim=1)
    return (
        {
            "interior": uniform(generator, INTERIOR, (0.0, 1.0), place),
            "start": at_start,
            "start_u": start(at_start[:, 1:]),
            "low": at_low,
            "high": at_high,
        },
    )


def mean_square(values: torch.Tensor) -> torch.Tensor:
    """Return the mean of squares."""
    return values.square().mean()


def initial(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return how far u(0, x) is from the initial condition."""
    u, _ = evaluate(points["start"], [])
    return mean_square(u - points["start_u"])


def periodic(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return how far u differs between the two ends."""
    low, _ = evaluate(points["low"], [])
    high, _ = evaluate(points["high"], [])
    return mean_square(low - high)


def smoothly_periodic(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return how far u and u_x differ between the two ends."""
    low, slope_low = evaluate(points["low"], [SPACE])
    high, slope_high = evaluate(points["high"], [SPACE])
    return mean_square(low - high) + mean_square(slope_low[SPACE] - slope_high[SPACE])


def fixed_to_zero(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return how far u is from 0 at the two ends."""
    low, _ = evaluate(points["low"], [])
    high, _ = evaluate(points["high"], [])
    return mean_square(low) + mean_square(high)
