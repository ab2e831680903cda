"""Offline throughput: batch sizes in powers of two until nothing more is gained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spinn_edge.bench.measurement import Row

SATURATED_GAIN = 0.05
"""Throughput is saturated when a doubling of the batch gains less than this share."""
DOUBLINGS = 2
"""Doublings in a row that must gain less: a single one may sit on a step, as of a cache."""
LARGEST_SWEPT = 2**16
"""Samples in the largest batch of any sweep."""

SATURATED, FORMAT, MEMORY, SWEPT = "saturated", "largest of the file", "out of memory", "last swept"
"""Why no larger batch was timed: nothing more to gain, the file takes none, none fits, or the sweep
(or the list of sizes) ends there."""


def next_batch(
    done: Sequence[tuple[int, float]], largest: int | None, smallest: int = 1
) -> int | None:
    """Return the batch size to time next, or None at the end of a sweep.

    Args:
        done: batch and throughput (samples a second) so far, in order.
        largest: samples that the file takes; None where nothing bounds it.
        smallest: likewise, fewest.

    Returns:
        The first power of two that the file takes (the smallest batch where it takes none), then
        twice the last.
    """
    limit = min(LARGEST_SWEPT, largest or LARGEST_SWEPT)
    if not done:
        first = 2 ** math.ceil(math.log2(max(1, smallest)))
        return first if first <= limit else smallest
    batch = 2 * done[-1][0]
    if batch > limit:
        return None
    return None if _is_saturated([per_s for _, per_s in done]) else batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """Where throughput stops growing with the batch.

    Attributes:
        bundle: what was timed.
        runtime: the runtime that really ran.
        precision: of the file that was asked for.
        boundary: what a throughput counts.
        knee_batch: smallest batch whose throughput is within ``SATURATED_GAIN`` of the best.
        knee_per_s: its throughput, samples a second.
        best_batch: batch of the best throughput.
        best_per_s: the best throughput.
        next_gain: what twice the knee's batch gains over it, as a share; None where that was not
            timed.
        stopped_by: why the sizes end where they do; one of ``SATURATED``, ``FORMAT``, ``MEMORY``
            and ``SWEPT``.
    """

    bundle: str
    runtime: str
    precision: str
    boundary: str
    knee_batch: int
    knee_per_s: float
    best_batch: int
    best_per_s: float
    next_gain: float | None
    stopped_by: str

    @property
    def saturated(self) -> bool:
        """False where the largest batch is still the best by far: a larger one would gain."""
        return self.next_gain is not None


def saturations(rows: Sequence[Row]) -> list[Saturation]:
    """Return the knee of each bundle, runtime and precision whose batch sizes are doublings.

    Of several boundaries the first that was timed counts, which is host to host unless that was
    left out.
    """
    groups: dict[tuple[str, str, str], dict[str, list[Row]]] = {}
    for row in rows:
        if row.rate_per_s is None:
            group = groups.setdefault((row.bundle, row.runtime, row.precision), {})
            group.setdefault(row.boundary, []).append(row)
    found = (
        next((knee for same in group.values() if (knee := saturation_of(same))), None)
        for group in groups.values()
    )
    return [knee for knee in found if knee is not None]


def saturation_of(rows: Sequence[Row]) -> Saturation | None:
    """Find the knee of rows that differ in their batch alone.

    Args:
        rows: of one bundle, runtime, precision and boundary.

    Returns:
        None unless three sizes or more were timed, each twice the one before.
    """
    ordered = sorted(rows, key=lambda row: row.batch)
    timed = [
        (row.batch, row.throughput_per_s) for row in ordered if row.throughput_per_s is not None
    ]
    doubled = all(after[0] == 2 * before[0] for before, after in itertools.pairwise(timed))
    if len(timed) <= DOUBLINGS or not doubled:
        return None
    best_batch, best_per_s = max(timed, key=lambda point: (point[1], -point[0]))
    knee, (knee_batch, knee_per_s) = next(
        (place, point)
        for place, point in enumerate(timed)
        if point[1] >= best_per_s * (1 - SATURATED_GAIN)
    )
    beyond = timed[knee + 1 :]
    return Saturation(
        bundle=ordered[0].bundle,
        runtime=ordered[0].served_by,
        precision=ordered[0].precision,
        boundary=ordered[0].boundary,
        knee_batch=knee_batch,
        knee_per_s=knee_per_s,
        best_batch=best_batch,
        best_per_s=best_per_s,
        next_gain=beyond[0][1] / knee_per_s - 1 if beyond else None,
        stopped_by=_why_stopped(ordered, timed),
    )


def _why_stopped(ordered: Sequence[Row], timed: Sequence[tuple[int, float]]) -> str:
    if _is_saturated([per_s for _, per_s in timed]):
        return SATURATED
    if any(row.ends_sweep for row in ordered):
        return MEMORY
    last = timed[-1][0]
    limits = [row.facts.max_batch for row in ordered if row.facts is not None]
    if any(limit is not None and 2 * last > limit for limit in limits):
        return FORMAT
    return SWEPT


def _is_saturated(throughputs_per_s: Sequence[float]) -> bool:
    last = throughputs_per_s[-DOUBLINGS - 1 :]
    return len(last) > DOUBLINGS and all(
        after < (1 + SATURATED_GAIN) * before for before, after in itertools.pairwise(last)
    )
