"""How sure a figure is: intervals over launches, the noise floor, and what may be called faster.

A process can sit in a fast or a slow placement of memory and stay there, so the samples of one
launch are not independent of each other; launches are. Everything here works on one figure a
launch: its median.
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinn_edge.core.tensors import Array

CONFIDENCE = 0.95
FEWEST_LAUNCHES = 3
"""Launches below which nothing is said about how sure a figure is."""
RESAMPLES = 2000
FASTER, SLOWER, NO_DIFFERENCE = "faster", "slower", "no difference seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a figure lies with a confidence of ``CONFIDENCE``, in the figure's own unit."""

    low: float
    high: float


def launch_medians(samples_s: Sequence[float], launch_samples: Sequence[int]) -> tuple[float, ...]:
    """Return the median of each launch.

    Args:
        samples_s: launch after launch.
        launch_samples: how many of them each launch took.
    """
    ends = list(itertools.accumulate(launch_samples, initial=0))
    parts = (samples_s[start:end] for start, end in itertools.pairwise(ends))
    return tuple(statistics.median(part) for part in parts if part)


def median_interval(medians_s: Sequence[float]) -> Interval | None:
    """Return the interval of the mean of launch medians; None with too few launches.

    Source: percentile bootstrap over launches (B. Efron and R. Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapter 13), on logarithms, so that an interval cannot reach below 0.
    """
    return _geometric_interval(medians_s)


def speedup_of(before_s: Sequence[float], after_s: Sequence[float]) -> float | None:
    """Return how many times faster ``after_s`` is: the geometric mean over pairs of launches.

    Launches alternate, so those of one number ran beside each other and share the drift of the
    machine; the ratio of a pair is free of it.

    Args:
        before_s: medians of the baseline's launches, in order.
        after_s: medians of the other's.

    Returns:
        Above 1 is faster; None where one side has no launch.
    """
    ratios = _paired(before_s, after_s)
    return statistics.geometric_mean(ratios) if ratios else None


def speedup_interval(before_s: Sequence[float], after_s: Sequence[float]) -> Interval | None:
    """Return the interval of :func:`speedup_of`; None with too few pairs."""
    return _geometric_interval(_paired(before_s, after_s))


def noise_floor(*groups_s: Sequence[float]) -> float | None:
    """Return how far two halves of the same launches lie apart: an A/A comparison.

    Every way to split the launches of a group in two (halves, or as near as can be) gives one
    ratio of geometric means, of a thing with itself. The largest of all is the floor: that of the
    slowest half with the fastest. Halves scatter more than the whole does, so the floor is rather
    too high than too low.

    Args:
        groups_s: medians of the launches of one thing each.

    Returns:
        A share: 0.03 means that 3 % may be nothing. None with too few launches.
    """
    worst = 0.0
    for medians_s in groups_s:
        if len(medians_s) < FEWEST_LAUNCHES:
            return None
        logs = sorted(math.log(median) for median in medians_s)
        half = len(logs) // 2
        for cut in (half, len(logs) - half):  # an odd number has two nearest halves
            apart = statistics.fmean(logs[cut:]) - statistics.fmean(logs[:cut])
            worst = max(worst, apart)
    return math.expm1(worst)


def verdict_on(interval: Interval | None, floor: float | None) -> str | None:
    """Say whether a speed-up is one.

    Args:
        interval: of the speed-up.
        floor: as :func:`noise_floor` gives it.

    Returns:
        ``faster`` or ``slower`` where the whole interval lies beyond the floor, else
        ``no difference seen``; None where one of the two is not known.
    """
    if interval is None or floor is None:
        return None
    if interval.low > 1 + floor:
        return FASTER
    if interval.high < 1 / (1 + floor):
        return SLOWER
    return NO_DIFFERENCE


def _paired(before_s: Sequence[float], after_s: Sequence[float]) -> list[float]:
    return [before / after for before, after in zip(before_s, after_s, strict=False)]


def bootstrap(groups: Sequence[Sequence[float]], log_statistic: Callable[..., Any]) -> Interval:
    """Return the percentile bootstrap interval of a statistic of logarithms, as a figure again.

    The same launches give the same interval: the draws depend on the sizes of the groups alone.

    Args:
        groups: positive figures; each group is drawn from by itself.
        log_statistic: takes the logarithms of every group and ``axis``.

    Source: as ``scipy.stats.bootstrap`` has it, to the last digit; scipy takes long to import.
    """
    logs = (np.log(np.asarray(group, np.float64)) for group in groups)
    draws = _draws(tuple(map(len, groups)))
    drawn = (group[places] for group, places in zip(logs, draws, strict=True))
    ordered = np.sort(log_statistic(*drawn, axis=-1))
    beyond = (1 - CONFIDENCE) / 2
    return Interval(
        low=math.exp(_quantile(ordered, beyond)), high=math.exp(_quantile(ordered, 1 - beyond))
    )


def _geometric_interval(values: Sequence[float]) -> Interval | None:
    if len(values) < FEWEST_LAUNCHES:
        return None
    if len(set(values)) == 1:  # every resample is the same
        return Interval(low=values[0], high=values[0])
    return bootstrap((values,), lambda logs, axis: logs.mean(axis=axis))


@functools.lru_cache(maxsize=16)  # a benchmark has one number of launches, as a rule
def _draws(sizes: tuple[int, ...]) -> tuple[Array, ...]:
    """Return which member of each group every resample takes, shape (resamples, size) each."""
    chance = np.random.default_rng(0)
    return tuple(chance.integers(0, size, (RESAMPLES, size)) for size in sizes)


def _quantile(ordered: Array, share: float) -> float:
    """Interpolate between order statistics: type 7 of Hyndman and Fan (1996)."""
    place = share * len(ordered) + (1 - share) - 1
    below = math.floor(place)
    part = place - below
    return float((1 - part) * ordered[below] + part * ordered[below + 1])
