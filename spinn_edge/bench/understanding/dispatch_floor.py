"""The part of a latency that no narrower layer takes away: its value at no arithmetic at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinn_edge.bench.evidence.intervals import CONFIDENCE, FEWEST_LAUNCHES, RESAMPLES, Interval
from spinn_edge.bench.evidence.paired_rows import at_batch, beside, latency_s
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.contenders import Contender, Schedule, time_contenders
from spinn_edge.bench.understanding.width_variants import WidthVariants
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import encode
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array
from spinn_edge.core.words import dashed
from spinn_edge.runtimes.base import OpenOptions

SHARES = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0)
"""Of the bundle's hidden widths: the widths that are timed."""

LARGEST_RESIDUAL = 0.10
"""Share by which the line may miss a measured latency before no floor is read off it.

An assumption: launches of one thing differ by some per cent, so a line cannot fit much better; a
cache that the weights outgrow bends the curve by tens of per cent."""

FEWEST_WIDTHS = 3
"""A line through two points fits always, so it says nothing of how good it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorFit:
    """The line latency = floor + slope × FLOPs.

    Attributes:
        narrowest: how many points it was fitted to, counted from the narrowest; wider ones depart
            from it.
        floor_s: its value at 0 FLOPs, at least 0.
        slope_s: seconds a FLOP, at least 0.
        floor_interval_s: of the floor, over launches; None with too few of them.
        fitted_s: its value at each point, in their order.
        largest_residual: share by which it misses the point that it misses most, of those that it
            was fitted to.
    """

    narrowest: int
    floor_s: float
    slope_s: float
    floor_interval_s: Interval | None
    fitted_s: tuple[float, ...]
    largest_residual: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthPoint:
    """One width of the same network.

    Attributes:
        widths: input width, hidden widths, output width.
        parameters: of that network.
        flops: of one inference, the whole batch.
        row: its timing.
    """

    widths: tuple[int, ...]
    parameters: int
    flops: int
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchFloor:
    """What was found at one batch size.

    Attributes:
        batch: samples in one inference.
        own: the bundle's own timing, beside its twin's: the same widths with random weights.
        points: narrowest first; the last one is the twin.
        fit: the line; None where a point was not timed or there are too few.
        refusal: why no floor is stated; empty where one is.
    """

    batch: int
    own: Row
    points: tuple[WidthPoint, ...]
    fit: FloorFit | None
    refusal: str

    @property
    def floor_s(self) -> float | None:
        """The floor; None where none is stated."""
        return None if self.fit is None or self.refusal else self.fit.floor_s

    @property
    def latency_s(self) -> float | None:
        """The bundle's own latency; None where it was not timed."""
        return latency_s(self.own)

    @property
    def most_saving(self) -> float | None:
        """Share of the bundle's latency that narrower layers can save at most; None if unknown."""
        if self.floor_s is None or self.latency_s is None:
            return None
        return max(0.0, 1 - self.floor_s / self.latency_s)

    def to_json(self) -> dict[str, Any]:
        """Return what was measured and what follows."""
        return {
            "batch": self.batch,
            "latency_s": self.latency_s,
            "floor_s": self.floor_s,
            "floor_interval_s": (
                None if self.fit is None or self.refusal else encode(self.fit.floor_interval_s)
            ),
            "most_saving": self.most_saving,
            "refusal": self.refusal or None,
            "largest_residual_allowed": LARGEST_RESIDUAL,
            "fit": encode(self.fit),
            "own": encode(self.own),
            "points": encode(self.points),
        }


def measure_dispatch_floors(
    bundle: Bundle,
    variants: WidthVariants,
    schedule: Schedule,
    *,
    runtime: str,
    options: OpenOptions,
    on_launch: Callable[[Contender, int], None] = lambda contender, launch: None,
) -> tuple[DispatchFloor, ...]:
    """Time a network at several widths, beside the bundle itself, and fit a line to it.

    Args:
        bundle: an MLP that holds the runtime's file.
        variants: makes the other widths.
        schedule: batch sizes, launches, rules; one boundary.
        runtime: name from the registry.
        options: how it opens a bundle.
        on_launch: see :func:`spinn_edge.bench.processes.contenders.time_contenders`.

    Returns:
        One finding for each batch size, in their order.

    Raises:
        ExportError: a width could not be written or proved.
        MissingDependencyError: scipy, torch, or what writes the runtime's format is not installed.
    """
    require("scipy.optimize", extra="bench")  # now, not after minutes of timing
    widths = variants.widths
    made = [variants.at(hidden) for hidden in scaled_widths(widths[1:-1])]
    contenders = [
        Contender(label=label, bundle=item, runtime=runtime, options=options)
        for label, item in (
            (bundle.name, bundle),
            *((f"{item.name}, random weights", item) for item in made),
        )
    ]
    own, *others = time_contenders(contenders, schedule, on_launch=on_launch)
    return tuple(
        find_floor(
            at_batch(own, batch),
            [_point(item, at_batch(rows, batch)) for item, rows in zip(made, others, strict=True)],
        )
        for batch in schedule.batches
    )


def scaled_widths(hidden: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return hidden widths times each of ``SHARES``, narrowest first, equal ones once.

    Args:
        hidden: widths of the hidden layers.
    """
    scaled = (tuple(max(1, round(width * share)) for width in hidden) for share in SHARES)
    return tuple(dict.fromkeys(scaled))


def find_floor(own: Row, points: Sequence[WidthPoint]) -> DispatchFloor:
    """Fit the line, and state a floor where it fits.

    Args:
        own: the bundle's own row.
        points: narrowest first, the last one as wide as the bundle; timed in turn with it.
    """
    own = beside(own, points[-1].row)
    lost = next((row for row in (own, *(p.row for p in points)) if not row.samples_s), None)
    fit, refusal = None, ""
    if lost is not None:
        refusal = f"{lost.bundle} was not timed: {lost.reason}"
    elif len(points) < FEWEST_WIDTHS:
        refusal = (
            f"{dashed(points[-1].widths)} is so narrow that there are only {len(points)} widths to "
            f"time, and a line needs {FEWEST_WIDTHS}"
        )
    else:
        fit = _longest_fit(points)
        if fit.largest_residual > LARGEST_RESIDUAL:
            refusal = (
                f"a straight line in FLOPs misses one of the {FEWEST_WIDTHS} narrowest widths by "
                f"{fit.largest_residual:.0%}, and above {LARGEST_RESIDUAL:.0%} (an assumption) no "
                "floor is read off it; a cache that the weights outgrow bends it, and so does noise"
            )
    return DispatchFloor(batch=own.batch, own=own, points=tuple(points), fit=fit, refusal=refusal)


def fit_floor(
    flops: Sequence[int], medians_s: Sequence[Sequence[float]], narrowest: int | None = None
) -> FloorFit:
    """Fit latency = floor + slope × FLOPs, neither below 0, by least squares of relative errors.

    Args:
        flops: of one inference at each point.
        medians_s: of each point the medians of its launches; launches of one number ran beside
            each other, so they are drawn together.
        narrowest: how many points to fit to, from the first on; None for all.

    Raises:
        MissingDependencyError: scipy is not installed.

    Source: percentile bootstrap over launches (B. Efron and R. Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapters 9 and 13).
    """
    used = len(flops) if narrowest is None else narrowest
    launches = min(map(len, medians_s))
    logs = np.log(np.array([medians[:launches] for medians in medians_s]))
    counts = np.array(flops, float)
    latencies_s = np.exp(logs.mean(axis=1))
    floor_s, slope_s = _line(counts[:used], latencies_s[:used])
    fitted_s = floor_s + slope_s * counts
    return FloorFit(
        narrowest=used,
        floor_s=floor_s,
        slope_s=slope_s,
        floor_interval_s=_floor_interval(counts[:used], logs[:used]),
        fitted_s=tuple(map(float, fitted_s)),
        largest_residual=float(np.abs(fitted_s / latencies_s - 1)[:used].max()),
    )


def _longest_fit(points: Sequence[WidthPoint]) -> FloorFit:
    """Leave out the widest point, and again, until the line fits or too few are left.

    A floor is what is left when widths shrink, so a bend among wide layers does not touch it.
    """
    flops = [point.flops for point in points]
    medians_s = [point.row.launch_medians_s for point in points]
    for used in range(len(points), FEWEST_WIDTHS - 1, -1):
        fit = fit_floor(flops, medians_s, used)
        if fit.largest_residual <= LARGEST_RESIDUAL:
            break
    return fit


def _line(flops: Array, latencies_s: Array) -> tuple[float, float]:
    """Return floor and slope; every equation is divided by its latency, so errors are relative."""
    nnls = require("scipy.optimize", extra="bench").nnls
    design = np.stack([np.ones_like(flops), flops / flops.max()], axis=1)
    unit_s = latencies_s.min()  # figures near 1, whatever the units
    (floor, slope), _ = nnls(design / (latencies_s / unit_s)[:, None], np.ones_like(flops))
    return float(floor * unit_s), float(slope * unit_s / flops.max())


def _floor_interval(flops: Array, logs: Array) -> Interval | None:
    """Draw launches anew, fit again: where the floor lies."""
    launches = logs.shape[1]
    if launches < FEWEST_LAUNCHES:
        return None
    generator = np.random.default_rng(0)  # the same launches give the same interval
    drawn = generator.integers(launches, size=(RESAMPLES, launches))
    floors_s = [_line(flops, np.exp(logs[:, chosen].mean(axis=1)))[0] for chosen in drawn]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(floors_s, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high))


def _point(bundle: Bundle, row: Row) -> WidthPoint:
    manifest = bundle.manifest
    assert manifest.parameters is not None
    assert manifest.flops_per_sample is not None
    return WidthPoint(
        widths=manifest.architecture.widths,
        parameters=manifest.parameters,
        flops=manifest.flops_per_sample * row.batch,
        row=row,
    )
