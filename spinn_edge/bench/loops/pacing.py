"""Deadline mode: one inference each tick of a fixed rate, as a control loop runs it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spinn_edge.bench.evidence.intervals import (
    Interval,
    noise_floor,
    speedup_interval,
    speedup_of,
    verdict_on,
)
from spinn_edge.bench.evidence.stats import quantile
from spinn_edge.bench.loops.timing import (
    Clock,
    Course,
    Timing,
    TimingRule,
    in_seconds,
    no_collection,
)
from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import Feeds
from spinn_edge.runtimes.base import Runtime, infer

Sleep = Callable[[float], None]

SLOWEST_PER_S, FASTEST_PER_S = 0.1, 20_000.0
"""Rates that can be paced. Below the first, ten ticks take longer than a launch may.

Source of the second: prctl(2), PR_SET_TIMERSLACK: unless told otherwise Linux may wake a sleeper
50 µs late, so a loop that sleeps cannot have a shorter period than that.
"""
SPAN_S = 1.0
"""Shortest schedule of a launch, unless ``MOST_TICKS_PER_S`` or ``FEWEST_TICKS`` say otherwise."""
MOST_TICKS_PER_S = 1000
"""Ticks for each second of a schedule; a faster loop gets a shorter one. A thousand, so that one
launch is enough for a 99th percentile."""
FEWEST_TICKS = 10
"""Ticks of the slowest loop, and those that a loop which does not keep up takes all the same."""

SCHEDULE, OVERLOAD = "schedule", "overload"
"""Why a paced timing ended: every tick was served, or its time was over with ticks not begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """What a fixed-rate loop saw beyond the service times, which are its row's samples.

    The schedule is fixed in advance: tick i is due at start + i / rate, whatever came before. An
    inference that begins late because the one before it was late counts its response from its
    tick, so an overrun is seen by everyone whom it made wait. The deadline of a tick is the next.

    Attributes:
        rate_per_s: inferences a second that were due.
        lateness_s: from each tick to the start of its inference, seconds, in run order.
        responses_s: from each tick to the end of its inference, seconds, in run order.
        ticks: of each launch, how many were due; those that never began have no samples.
        behind_s: of each launch, how long after the last deadline that was served it ended; 0
            where it was in time.
        back_to_back_medians_s: of each launch, the median service time in the same process without
            pauses; empty where it was not timed.

    Source: G. Tene, "How NOT to measure latency" (coordinated omission); MLPerf LoadGen, server
    scenario, which fixes its schedule in advance for the same reason.
    """

    rate_per_s: float
    lateness_s: tuple[float, ...]
    responses_s: tuple[float, ...]
    ticks: tuple[int, ...]
    behind_s: tuple[float, ...] = ()
    back_to_back_medians_s: tuple[float, ...] = ()

    @property
    def period_s(self) -> float:
        """Time from tick to tick, which is the deadline."""
        return 1 / self.rate_per_s

    @property
    def due(self) -> int:
        """Ticks of all launches."""
        return sum(self.ticks)

    @property
    def unserved(self) -> int:
        """Ticks that never began: the loop was too far behind when its time was over."""
        return self.due - len(self.responses_s)

    @property
    def missed(self) -> int:
        """Ticks whose inference ended after its deadline, or never began."""
        return self.unserved + sum(response > self.period_s for response in self.responses_s)

    @property
    def missed_share(self) -> float:
        """Share of the ticks that missed their deadline."""
        return self.missed / self.due

    @property
    def busy_share(self) -> float:
        """Mean service time as a share of the period; above 1 nothing can keep up."""
        service_s = math.fsum(self.responses_s) - math.fsum(self.lateness_s)
        return service_s / len(self.responses_s) / self.period_s

    @property
    def kept_up(self) -> bool:
        """False where an inference takes longer than a period in the mean, so that lags add up."""
        return self.busy_share <= 1

    @property
    def response_median_s(self) -> float | None:
        """Median from tick to end; None where half the ticks never began."""
        return _finite(statistics.median(self._responses_of_all_s()))

    @property
    def response_p99_s(self) -> float | None:
        """99th percentile from tick to end.

        None with fewer than 1000 ticks, and where one in a hundred never began.
        """
        return _finite(quantile(self._responses_of_all_s(), 0.99))

    @property
    def jitter_s(self) -> float | None:
        """99th percentile of the start's lateness beyond its median; None below 1000 samples."""
        high, median = quantile(self.lateness_s, 0.99), quantile(self.lateness_s, 0.5)
        return None if high is None or median is None else high - median

    @property
    def lateness_std_s(self) -> float | None:
        """Standard deviation of the start's lateness (n - 1 in the denominator)."""
        return statistics.stdev(self.lateness_s) if len(self.lateness_s) > 1 else None

    def idle_gap_penalty(self, medians_s: Sequence[float]) -> float | None:
        """Return how many times longer an inference takes after a pause than back to back.

        Args:
            medians_s: median service time of each launch of the loop.

        Returns:
            The geometric mean over launches; None where nothing was timed back to back.
        """
        return speedup_of(medians_s, self.back_to_back_medians_s)

    def idle_gap_interval(self, medians_s: Sequence[float]) -> Interval | None:
        """Return the interval of :meth:`idle_gap_penalty`; None with too few launches."""
        return speedup_interval(medians_s, self.back_to_back_medians_s)

    def idle_gap_verdict(self, medians_s: Sequence[float]) -> str | None:
        """Return what back to back is against the loop: ``faster`` where the pause costs."""
        groups = (medians_s, self.back_to_back_medians_s)
        return verdict_on(self.idle_gap_interval(medians_s), noise_floor(*groups))

    def to_json(self) -> dict[str, Any]:
        """Return raw samples and derived statistics under their published keys."""
        return {
            "rate_per_s": self.rate_per_s,
            "period_s": self.period_s,
            "lateness_s": list(self.lateness_s),
            "responses_s": list(self.responses_s),
            "ticks": list(self.ticks),
            "behind_s": list(self.behind_s),
            "back_to_back_medians_s": list(self.back_to_back_medians_s),
            "due": self.due,
            "unserved": self.unserved,
            "missed": self.missed,
            "missed_share": self.missed_share,
            "kept_up": self.kept_up,
            "busy_share": self.busy_share,
            "response_median_s": self.response_median_s,
            "response_p99_s": self.response_p99_s,
            "jitter_s": self.jitter_s,
            "lateness_std_s": self.lateness_std_s,
        }

    def _responses_of_all_s(self) -> list[float]:
        """Return responses, endless for a tick that never began: leaving it out would flatter."""
        return [*self.responses_s, *[math.inf] * self.unserved]


@dataclass(frozen=True, slots=True, kw_only=True)
class PacedTiming:
    """Service times, which are the samples, and what the loop saw beside them."""

    timing: Timing
    pacing: Pacing


def time_paced(
    runtime: Runtime,
    feeds: Feeds,
    rate_per_s: float,
    rule: TimingRule,
    clock: Clock = time.perf_counter_ns,
    sleep: Sleep = time.sleep,
) -> PacedTiming:
    """Time whole inferences, from host arrays to host arrays, one at each tick of a fixed rate.

    It sleeps until a tick, as an application does, and never waits busily: how late the system
    wakes it belongs to the response, and a processor that slowed down meanwhile to the service
    time. The first tick comes after a pause too. Ticks that are still to be begun when the
    schedule is over have all missed their deadlines, so the loop ends there.

    Args:
        runtime: an open runtime, warm: nothing is left out here.
        feeds: real inputs, host arrays of shape (batch, ...).
        rate_per_s: ticks a second.
        rule: its ``budget_s`` above a second makes the schedule longer; ``most_samples`` bounds it.
        clock: monotonic, nanoseconds.
        sleep: of that clock, seconds. ``time.sleep`` sleeps to a time of the monotonic clock
            (clock_nanosleep with TIMER_ABSTIME, since Python 3.11), which is ``clock``'s on Linux.

    Raises:
        UsageError: a rate that cannot be paced.
    """
    check_rate(rate_per_s)
    ticks = count_ticks(rate_per_s, rule)
    lateness_ns: list[int] = []
    responses_ns: list[int] = []
    period_ns = 1e9 / rate_per_s
    last_end_ns = 0
    with no_collection():
        begin_ns = clock() + round(period_ns)
        over_ns = begin_ns + round(ticks * period_ns)
        for tick in range(ticks):
            due_ns = begin_ns + round(tick * period_ns)
            while (start_ns := clock()) < due_ns:
                sleep((due_ns - start_ns) / 1e9)
            if start_ns >= over_ns and tick >= FEWEST_TICKS:
                break
            infer(runtime, feeds)
            last_end_ns = clock()
            lateness_ns.append(start_ns - due_ns)
            responses_ns.append(last_end_ns - due_ns)
    served = len(responses_ns)
    behind_ns = last_end_ns - begin_ns - round(served * period_ns)
    pacing = Pacing(
        rate_per_s=rate_per_s,
        lateness_s=tuple(ns / 1e9 for ns in lateness_ns),
        responses_s=tuple(ns / 1e9 for ns in responses_ns),
        ticks=(ticks,),
        behind_s=(max(0, behind_ns) / 1e9,),
    )
    services_ns = (end - start for start, end in zip(lateness_ns, responses_ns, strict=True))
    stopped_by = SCHEDULE if served == ticks else OVERLOAD
    course = Course(warmup_runs=0, steady=True, stopped_by=stopped_by)
    return PacedTiming(timing=in_seconds(tuple(services_ns), course), pacing=pacing)


def check_rate(rate_per_s: float) -> None:
    """Refuse a rate that cannot be paced.

    Raises:
        UsageError: no number, or one outside ``SLOWEST_PER_S`` to ``FASTEST_PER_S``.
    """
    if not SLOWEST_PER_S <= rate_per_s <= FASTEST_PER_S:  # NaN too
        raise UsageError(
            f"--rate {rate_per_s:g}: expected {SLOWEST_PER_S:g} to {FASTEST_PER_S:,.0f} inferences "
            "a second, such as 1000; a sleep cannot end on time more often than that"
        )


def count_ticks(rate_per_s: float, rule: TimingRule) -> int:
    """Return how many ticks a launch's schedule has."""
    span_s = max(SPAN_S, rule.budget_s)
    ticks = math.ceil(min(rate_per_s, MOST_TICKS_PER_S) * span_s)
    return min(max(ticks, FEWEST_TICKS), rule.most_samples)


def pool_pacing(launches: Sequence[Pacing]) -> Pacing:
    """Join what the launches of one row saw, launch after launch, nothing left out.

    Args:
        launches: at least one, all of one rate.
    """
    return replace(
        launches[0],
        lateness_s=tuple(late for one in launches for late in one.lateness_s),
        responses_s=tuple(response for one in launches for response in one.responses_s),
        ticks=tuple(ticks for one in launches for ticks in one.ticks),
        behind_s=tuple(behind for one in launches for behind in one.behind_s),
        back_to_back_medians_s=tuple(
            median for one in launches for median in one.back_to_back_medians_s
        ),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
