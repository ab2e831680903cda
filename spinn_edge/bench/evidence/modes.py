"""The speeds that a latency distribution has: one, as a rule, or several separate modes.

A kernel density estimate on logarithms of the latencies, and the valleys in it. Between two modes
lies a valley that is deep, and deeper than the scatter of the estimate explains; a long tail has
none. The samples are taken as independent. A clock that drifts inside a launch breaks that; what
it may show as two modes are two speeds all the same.

Source: B. Silverman, "Density Estimation for Statistics and Data Analysis", 1986: bandwidth,
equation 3.31; variance of the estimate, section 3.3. The limits below are assumptions of ours, set
so that samples of one mode are called so (``tests/unit/bench/test_modes.py`` counts).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spinn_edge.core.tensors import Array

FEWEST_SAMPLES = 100
"""Samples below which nothing is said."""
SMALLEST_SHARE = 0.05
"""Of the samples in a mode; what is less belongs to a tail."""
SMALLEST_STEP = 0.10
"""By which a mode is slower than the one before; closer ones are scatter of one speed."""
DEEPEST_VALLEY = 0.6
"""Density between two modes, as a share of the lower one's: more than that is no valley."""
VALLEY_ERRORS = 4.0
"""Standard errors by which a valley lies below the lower of its peaks. High, because the deepest of
many valleys is looked at."""

_SMALLEST_BANDWIDTH = 0.01
"""On logarithms, so 1 %: a tenth of the smallest step cannot hide it."""
_PART = 0.25
"""Samples whose shortest interval gives the scale: one mode of four equal ones still fills it."""
_PART_WIDTH = 0.6373
"""Width of that interval in a normal distribution, in standard deviations: 2 Φ⁻¹(0.625)."""
_EDGE = 0.01
"""Share of the samples beyond each end of the grid: far fewer than a mode needs."""
_KERNEL_SQUARED = 1 / (2 * math.sqrt(math.pi))
"""Integral of the square of a normal density."""
_KERNEL_REACH = 4
"""Bandwidths beyond which the kernel is taken as 0."""
_MARGIN = 5
"""Bandwidths around the grid: more than the kernel reaches."""
_STEPS_PER_BANDWIDTH = 4
_MOST_STEPS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """Runs that took about the same time.

    Attributes:
        at_s: their median.
        share: of all runs, 0 to 1.
        low_s: the fastest of them.
        high_s: the slowest of them; of the last mode, with the whole tail.
    """

    at_s: float
    share: float
    low_s: float
    high_s: float


def modes_of(samples_s: Sequence[float]) -> tuple[Mode, ...]:
    """Return the modes of a latency distribution, the fastest first; all samples are in one.

    Args:
        samples_s: latencies of single runs, any order, seconds.

    Returns:
        One where the distribution has one, two or more where it has separate ones; nothing with
        fewer than ``FEWEST_SAMPLES`` samples.
    """
    if len(samples_s) < FEWEST_SAMPLES:
        return ()
    ordered = np.sort(np.asarray(samples_s, np.float64))
    cuts_s = _valleys(ordered)
    while (fault := _unfit_cut(parts := _split(ordered, cuts_s))) is not None:
        del cuts_s[fault]
    return tuple(
        Mode(
            at_s=float(np.median(part)),
            share=len(part) / len(ordered),
            low_s=float(part[0]),
            high_s=float(part[-1]),
        )
        for part in parts
    )


def _split(ordered: Array, cuts_s: Sequence[float]) -> list[Array]:
    return np.split(ordered, np.searchsorted(ordered, cuts_s, side="right"))


def _unfit_cut(parts: Sequence[Array]) -> int | None:
    """Return the cut beside a part that is too small, or too near to the next; None if all fit."""
    total = sum(map(len, parts))
    for number, part in enumerate(parts):
        if len(part) < SMALLEST_SHARE * total:
            return min(number, len(parts) - 2)  # join it with the slower side: a tail's is one
    medians = [float(np.median(part)) for part in parts]
    for number, (fast, slow) in enumerate(itertools.pairwise(medians)):
        if slow < (1 + SMALLEST_STEP) * fast:
            return number
    return None


def _valleys(ordered: Array) -> list[float]:
    """Return the latencies at the bottoms of the valleys that count, ascending."""
    low, high = np.quantile(ordered, (_EDGE, 1 - _EDGE))
    if low <= 0:  # a clock so coarse that runs take no time cannot tell speeds apart
        return []
    durations = _spread(ordered)
    logs = np.log(durations[durations > 0])
    bandwidth = max(_bandwidth(logs), _SMALLEST_BANDWIDTH)
    start, end = math.log(low), math.log(high)
    step = max(bandwidth / _STEPS_PER_BANDWIDTH, (end - start) / _MOST_STEPS)
    bandwidth = max(bandwidth, 2 * step)
    start, end = start - _MARGIN * bandwidth, end + _MARGIN * bandwidth
    counts, edges = np.histogram(logs, bins=math.ceil((end - start) / step), range=(start, end))
    reach = math.ceil(_KERNEL_REACH * bandwidth / (edges[1] - edges[0]))
    offsets = np.arange(-reach, reach + 1) * (edges[1] - edges[0]) / bandwidth
    kernel = np.exp(-(offsets**2) / 2) / math.sqrt(2 * math.pi)
    # expected number of samples in one bandwidth: density times n times h, whose variance is
    # itself times the integral of the squared kernel
    heights = np.convolve(counts, kernel, mode="same")
    middles = np.exp((edges[1:] + edges[:-1]) / 2)
    return [float(middles[place]) for place in _deep_valleys(heights)]


def _spread(ordered: Array) -> Array:
    """Spread equal samples evenly over the step of the clock, which made them equal.

    The step is what three quarters of the distances between neighbours do not exceed: a clock of
    41.67 ns, read in whole nanoseconds, has distances of 1 ns between. With two or three values in
    all, that is the distance of what may be modes; they are called one then.
    """
    values, firsts, counts = np.unique(ordered, return_index=True, return_counts=True)
    inner = values[(values >= np.quantile(ordered, 0.02)) & (values <= np.quantile(ordered, 0.98))]
    if len(inner) < 2:
        return ordered
    tick = float(np.quantile(np.diff(inner), 0.75, method="lower"))
    ranks = np.arange(len(ordered)) - np.repeat(firsts, counts)
    return ordered + tick * ((ranks + 0.5) / np.repeat(counts, counts) - 0.5)


def _bandwidth(logs: Array) -> float:
    """Return Silverman's bandwidth, with a scale that several modes do not widen."""
    ordered = np.sort(logs)
    span = math.ceil(_PART * len(ordered))
    shortest = float(np.min(ordered[span - 1 :] - ordered[: len(ordered) - span + 1]))
    low, high = np.quantile(ordered, (0.25, 0.75))
    scale = min(shortest / _PART_WIDTH, float(high - low) / 1.349)
    return float(0.9 * scale * len(ordered) ** -0.2)


def _deep_valleys(heights: Array) -> list[int]:
    """Return where the valleys lie that are deep enough, ascending.

    The shallowest is filled first, so that ripples on a broad mode join before it is compared with
    the next.

    Args:
        heights: samples within one bandwidth, along the grid.
    """
    inner = heights[1:-1]
    peaks = 1 + np.flatnonzero((inner > heights[:-2]) & (inner >= heights[2:]))
    # lower than this, a peak would not stand out of an empty valley
    peaks = peaks[heights[peaks] > VALLEY_ERRORS**2 * _KERNEL_SQUARED]
    tops = [float(heights[peak]) for peak in peaks]
    valleys = [
        int(left + np.argmin(heights[left:right])) for left, right in itertools.pairwise(peaks)
    ]
    while valleys:
        depths = [
            heights[valley] / min(tops[number], tops[number + 1])
            for number, valley in enumerate(valleys)
        ]
        errors = [
            _errors(min(tops[number], tops[number + 1]), heights[valley])
            for number, valley in enumerate(valleys)
        ]
        shallow = min(range(len(valleys)), key=errors.__getitem__)
        if errors[shallow] >= VALLEY_ERRORS:
            shallow = max(range(len(valleys)), key=depths.__getitem__)
            if depths[shallow] <= DEEPEST_VALLEY:
                break
        tops[shallow : shallow + 2] = [max(tops[shallow : shallow + 2])]
        del valleys[shallow]
    return valleys


def _errors(top: float, bottom: float) -> float:
    """Return by how many standard errors a valley lies below its lower peak."""
    return (top - bottom) / math.sqrt(_KERNEL_SQUARED * (top + bottom))
