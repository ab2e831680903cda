"""The demo's network with data and a slope that must not fall: wear does not decrease in time.

The rows are made here, from a fixed smooth function of standardised columns, so that the step can
be timed without the simulator; a bundle with real rows has the same loss.
"""

from __future__ import annotations

import torch

from spinn_edge.training.equations.conditions import mean_square
from spinn_edge.training.equations.problem import Evaluate, Points, Problem

WIDTHS = (18, 512, 512, 512, 256, 2)
BATCH = 128
ROWS = 4096
TIME: tuple[int, ...] = (0,)
"""The demo's first feature is the cutting time, its first target the tool wear."""


def batches(
    features: torch.Tensor, targets: torch.Tensor, generator: torch.Generator
) -> tuple[Points, ...]:
    """Shuffle rows into whole batches; a rest that fills none is left out, as shapes must be equal.

    Args:
        features: (rows, inputs).
        targets: (rows, outputs).
        generator: of the order.
    """
    size = min(BATCH, len(features))
    order = torch.randperm(len(features), generator=generator)
    return tuple(
        {"features": features[chosen], "targets": targets[chosen]}
        for chosen in torch.split(order, size)
        if len(chosen) == size
    )


def sample(generator: torch.Generator) -> tuple[Points, ...]:
    """Draw standardised rows and what a smooth function makes of them."""
    features = torch.randn(ROWS, WIDTHS[0], generator=generator, dtype=torch.float64)
    wear = torch.tanh(features[:, 0] + features[:, 1] * features[:, 2] / 4)
    heat = torch.sin(features[:, 3]) + features[:, 4:].mean(dim=1)
    return batches(features, torch.stack([wear, heat], dim=1), generator)


def loss(evaluate: Evaluate, points: Points) -> torch.Tensor:
    """Return the mean squared error, and that of slopes of wear in time below 0."""
    outputs, slopes = evaluate(points["features"], [TIME], output=0)
    falling = torch.relu(-slopes[TIME])
    return mean_square(outputs - points["targets"]) + mean_square(falling)


PROBLEM = Problem(
    name="demo",
    title="Demo",
    formula="data loss, and d(output 0)/d(input 0) >= 0",
    widths=WIDTHS,
    sample=sample,
    loss=loss,
)
