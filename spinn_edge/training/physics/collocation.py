"""Points at which equations and slopes are held while training: one line a way in the table."""

from __future__ import annotations

from collections.abc import Callable

import torch

from spinn_edge.core.errors import UsageError
from spinn_edge.training.dataset import Floats

Sampling = Callable[[torch.Tensor, int, torch.Generator], torch.Tensor]
"""From data rows, float64 (rows, columns), a number of points and a generator to float64 points of
shape (number, columns) inside the rows' bounds, in which a constant column stays constant."""

JITTER = 0.1
"""Deviation of the noise on data rows, a share of each column's own."""

POINTS_A_STEP = 128
"""Most points of one optimiser step: as many as the rows of a batch of the reference recipe."""


def jittered_rows(rows: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw data rows and move each a little, no column beyond its bounds.

    Columns that move together in the data, as sensors of one state do, stay together.
    """
    chosen = torch.randint(len(rows), (count,), generator=generator)
    noise = torch.randn(count, rows.shape[1], generator=generator, dtype=rows.dtype)
    moved = rows[chosen] + JITTER * rows.std(dim=0, correction=0) * noise
    low, high = rows.amin(dim=0), rows.amax(dim=0)
    return torch.minimum(torch.maximum(moved, low), high)


def uniform(rows: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw points anywhere between the least and greatest value of each column."""
    unit = torch.rand(count, rows.shape[1], generator=generator, dtype=rows.dtype)
    return _into_box(rows, unit)


def latin_hypercube(rows: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw points of which each column has exactly one in each of ``count`` equal intervals.

    Source: McKay, Beckman and Conover (1979), "A comparison of three methods for selecting values
    of input variables in the analysis of output from a computer code".
    """
    columns = rows.shape[1]
    order = torch.stack([torch.randperm(count, generator=generator) for _ in range(columns)], dim=1)
    inside = torch.rand(count, columns, generator=generator, dtype=rows.dtype)
    return _into_box(rows, (order + inside) / count)


def sobol(rows: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw a scrambled Sobol sequence, which fills the box more evenly than chance.

    Source: Sobol (1967); scrambling by Owen (1998), as ``torch.quasirandom.SobolEngine`` does.
    """
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    engine = torch.quasirandom.SobolEngine(  # type: ignore[no-untyped-call]
        rows.shape[1], scramble=True, seed=seed
    )
    return _into_box(rows, engine.draw(count, dtype=rows.dtype))


SAMPLINGS: dict[str, Sampling] = {
    "rows": jittered_rows,
    "uniform": uniform,
    "latin-hypercube": latin_hypercube,
    "sobol": sobol,
}


class Collocation:
    """Points that are drawn anew for every epoch; each step gets the next of them.

    Attributes:
        points: of the present step, float32 (points, columns), physical units.
    """

    def __init__(self, features: Floats, *, count: int, sampling: str = "rows", seed: int) -> None:
        """Draw the first points.

        Args:
            features: rows whose bounds are sampled, float64 (rows, columns), physical units.
            count: points an epoch; a step takes at most ``POINTS_A_STEP`` of them, and begins
                again where they end.
            sampling: key of ``SAMPLINGS``.
            seed: of all draws.

        Raises:
            UsageError: fewer than one point, no rows, or an unknown sampling.
        """
        if count < 1:
            raise UsageError(
                f"{count} collocation points asked for; --collocation needs at least 1"
            )
        if sampling not in SAMPLINGS:
            raise UsageError(f"unknown sampling '{sampling}'; known: {', '.join(SAMPLINGS)}")
        if not len(features):
            raise UsageError("there are no rows whose bounds collocation points could be drawn in")
        self._rows = torch.from_numpy(features).double()
        self._count, self._sampling = count, SAMPLINGS[sampling]
        self._generator = torch.Generator().manual_seed(seed)
        self._epoch = self._draw()
        self.points = self._epoch[:POINTS_A_STEP]

    def before_step(self, step: int) -> None:
        """Take the points of a step, counted from 0 in each epoch; step 0 draws anew."""
        if step == 0:
            self._epoch = self._draw()
        size = min(self._count, POINTS_A_STEP)
        self.points = self._epoch[torch.arange(step * size, (step + 1) * size) % self._count]

    def _draw(self) -> torch.Tensor:
        return self._sampling(self._rows, self._count, self._generator).float()


def _into_box(rows: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
    low, high = rows.amin(dim=0), rows.amax(dim=0)
    return low + unit * (high - low)
