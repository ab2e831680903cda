"""The latency of one row in two results: by how much it changed, and how sure that is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from spinn_edge.bench.evidence.intervals import (
    FEWEST_LAUNCHES,
    SLOWER,
    Interval,
    bootstrap,
    launch_medians,
    noise_floor,
    verdict_on,
)
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.regression.row_pairing import row_name

TOO_FEW = "too few launches"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyChange:
    """One row, before and now.

    Attributes:
        name: of the row.
        old_s: geometric mean of the launches' medians in the old result, seconds.
        new_s: likewise in the new one.
        old_launches: how many that were.
        new_launches: likewise.
        interval: of :attr:`ratio`; None with too few launches.
        floor: share by which either side differs from itself; None with too few launches.
        verdict: ``faster``, ``slower``, ``no difference seen`` or ``too few launches``.
        failed: it is slower, and even the near end of the interval is above the limit.
    """

    name: str
    old_s: float
    new_s: float
    old_launches: int
    new_launches: int
    interval: Interval | None
    floor: float | None
    verdict: str
    failed: bool

    @property
    def ratio(self) -> float:
        """New time over old: above 1 is slower."""
        return self.new_s / self.old_s

    @property
    def judged(self) -> bool:
        """False where there were too few launches to call it anything."""
        return self.verdict != TOO_FEW


def latency_change(old: Row, new: Row, *, fail_over: float) -> LatencyChange:
    """Compare one row of two results.

    Args:
        old: timed.
        new: timed under the same conditions.
        fail_over: share above which a slow-down fails; 0.1 is 10 %.
    """
    before = launch_medians(old.samples_s, old.launch_samples)
    after = launch_medians(new.samples_s, new.launch_samples)
    interval = ratio_interval(before, after)
    floor = noise_floor(before, after)
    verdict = None
    if interval is not None:
        speedup = Interval(low=1 / interval.high, high=1 / interval.low)
        verdict = verdict_on(speedup, floor)
    return LatencyChange(
        name=row_name(new),
        old_s=statistics.geometric_mean(before),
        new_s=statistics.geometric_mean(after),
        old_launches=len(before),
        new_launches=len(after),
        interval=interval,
        floor=floor,
        verdict=verdict or TOO_FEW,
        failed=verdict == SLOWER and interval is not None and interval.low > 1 + fail_over,
    )


def ratio_interval(old_s: Sequence[float], new_s: Sequence[float]) -> Interval | None:
    """Return where new over old lies; None where one side has too few launches.

    Launches of two sessions did not alternate, so there are no pairs: each side is drawn from by
    itself.

    Args:
        old_s: medians of the old launches.
        new_s: of the new ones.

    Source: percentile bootstrap of a difference of two samples (B. Efron and R. Tibshirani, "An
    Introduction to the Bootstrap", 1993, chapters 8 and 13), on logarithms.
    """
    if min(len(old_s), len(new_s)) < FEWEST_LAUNCHES:
        return None
    if len(set(old_s)) == len(set(new_s)) == 1:  # every resample is the same
        exact = new_s[0] / old_s[0]
        return Interval(low=exact, high=exact)
    return bootstrap(
        (old_s, new_s), lambda old, new, axis: new.mean(axis=axis) - old.mean(axis=axis)
    )
