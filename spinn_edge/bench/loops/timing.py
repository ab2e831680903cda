"""The measuring loop."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import Feeds
from spinn_edge.runtimes.base import Runtime, infer

Clock = Callable[[], int]
Sample = TypeVar("Sample")


INTERVAL, BUDGET, MOST_SAMPLES = "interval", "budget", "most samples"
"""Why a timing ended: the median was known well enough, the time was over, or enough were taken."""

THROUGHPUT_SAMPLE_S = 1e-3
"""Shortest loop whose time counts as a sample of the throughput."""
_FEWEST_LOOPS = 3

_STEADY_WINDOW = 10
"""Runs in each of the two windows whose medians a warm-up compares."""
_FIRST_LOOK = 200
"""Samples before the interval of the median is looked at: five launches then hold the thousand that
a 99th percentile needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingRule:
    """When to start and when to stop.

    Attributes:
        warmup_runs: fewest inferences before the first sample.
        warmup_s: shortest warm-up; it also ends a slow warm-up after three runs.
        warmup_cap_s: longest warm-up; a runtime that is not steady by then is timed all the same,
            and the timing says so.
        steady_within: a runtime is steady when the medians of its last two windows of ten runs
            differ by no more than this share.
        budget_s: time for samples.
        median_within: it stops before that when the 95 % interval of the median reaches no further
            than this share of the median to either side; 0 never stops early.
        most_samples: samples after which it stops, though time is left.
        fewest_samples: samples that it takes, though time is over.
        throughput_s: time for the loops of :func:`time_throughput`.
    """

    warmup_runs: int = 20
    warmup_s: float = 0.1
    warmup_cap_s: float = 1.0
    steady_within: float = 0.05
    budget_s: float = 0.2
    median_within: float = 0.005
    most_samples: int = 10_000
    fewest_samples: int = 30
    throughput_s: float = 0.1

    def __post_init__(self) -> None:
        if not self.budget_s > 0:
            raise UsageError(f"--seconds must be above 0, got {self.budget_s:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a timing went.

    Attributes:
        warmup_runs: inferences before the first sample.
        steady: the warm-up ended because the runtime was steady, not because of its cap.
        stopped_by: ``INTERVAL``, ``BUDGET`` or ``MOST_SAMPLES``.
    """

    warmup_runs: int
    steady: bool
    stopped_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Samples in seconds, in run order, and how the timing went."""

    samples_s: tuple[float, ...]
    course: Course


def time_inference(
    runtime: Runtime, feeds: Feeds, rule: TimingRule, clock: Clock = time.perf_counter_ns
) -> Timing:
    """Time whole inferences, from host arrays to host arrays, one at a time.

    Each sample is a single inference with everything that an application pays for: the check of
    the feeds, the copy in, the run, the wait for its end and the copy out. No sample is dropped.

    Args:
        runtime: an open runtime.
        feeds: real inputs, host arrays of shape (batch, ...).
        rule: when to stop.
        clock: monotonic, nanoseconds.
    """

    def sample() -> int:
        start = clock()
        infer(runtime, feeds)
        return clock() - start

    return in_seconds(*repeat(sample, rule, clock))


def time_bound(
    runtime: Runtime, feeds: Feeds, rule: TimingRule, clock: Clock = time.perf_counter_ns
) -> Timing:
    """Time the run and the wait for its end, on inputs that are bound once, one at a time.

    Args:
        runtime: an open runtime.
        feeds: real inputs, host arrays of shape (batch, ...).
        rule: when to stop.
        clock: monotonic, nanoseconds.
    """

    def sample() -> int:
        start = clock()
        runtime.run()
        runtime.sync()
        return clock() - start

    runtime.bind(feeds)
    return in_seconds(*repeat(sample, rule, clock))


def time_throughput(
    start: Callable[[], object],
    finish: Callable[[], object],
    rule: TimingRule,
    *,
    about_s: float,
    clock: Clock = time.perf_counter_ns,
) -> tuple[float, ...]:
    """Time loops of inferences that follow each other, for what a busy program gets done.

    A loop lasts at least a millisecond, so that reading the clock is nothing beside it. That hides
    single slow inferences: latencies never come from here.

    Args:
        start: begins one inference.
        finish: waits for those that were begun; called once a loop.
        rule: ``throughput_s`` is the time for all loops.
        about_s: what one inference takes, seconds; it sets the first loop's length.
        clock: monotonic, nanoseconds.

    Returns:
        Seconds an inference, a loop each, in order; at least three. Empty where one inference
        takes a millisecond: its loop would be a latency sample again.
    """
    if about_s >= THROUGHPUT_SAMPLE_S:
        return ()
    count = max(2, math.ceil(THROUGHPUT_SAMPLE_S / max(about_s, 1e-9)))
    samples: list[float] = []
    end_ns = clock() + int(rule.throughput_s * 1e9)
    with no_collection():
        while len(samples) < _FEWEST_LOOPS or clock() < end_ns:
            begin = clock()
            for _ in range(count):
                start()
            finish()
            taken_s = (clock() - begin) / 1e9
            if taken_s >= THROUGHPUT_SAMPLE_S:
                samples.append(taken_s / count)
            else:  # faster than when it was alone: longer loops from here on
                count *= 2
    return tuple(samples)


def in_seconds(samples_ns: tuple[int, ...], course: Course) -> Timing:
    """Return what :func:`repeat` collected, nanoseconds, as a timing."""
    return Timing(samples_s=tuple(ns / 1e9 for ns in samples_ns), course=course)


def repeat(
    sample: Callable[[], Sample],
    rule: TimingRule,
    clock: Clock,
    duration_of: Callable[[Sample], float] = float,  # type: ignore[assignment]
) -> tuple[tuple[Sample, ...], Course]:
    """Warm up with ``sample``, then collect what it returns until the rule says stop.

    Args:
        sample: runs one inference and returns what was measured of it.
        rule: when to start and when to stop.
        clock: monotonic, nanoseconds; only the limits of the rule are read from it.
        duration_of: the figure in a sample whose median the rule is about, any unit.

    Returns:
        Every sample, in run order, and how it went.
    """
    warmup_runs, steady = _warm_up(sample, rule, clock)
    samples: list[Sample] = []
    look_at = max(_FIRST_LOOK, rule.fewest_samples)
    stopped_by = MOST_SAMPLES
    end_ns = clock() + int(rule.budget_s * 1e9)
    with no_collection():
        while len(samples) < rule.most_samples:
            samples.append(sample())
            if clock() >= end_ns and len(samples) >= rule.fewest_samples:
                stopped_by = BUDGET
                break
            if len(samples) == look_at:
                if _median_reach(list(map(duration_of, samples))) <= rule.median_within:
                    stopped_by = INTERVAL
                    break
                look_at *= 2  # rarely: a look takes time, and a warm processor waits meanwhile
    course = Course(warmup_runs=warmup_runs, steady=steady, stopped_by=stopped_by)
    return tuple(samples), course


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect no garbage inside: that is the harness's, not the model's, as timeit has it."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _median_reach(samples: Sequence[float]) -> float:
    """Return how far the 95 % interval of the median reaches, as a share of the median.

    Source: the interval between order statistics (H. David and H. Nagaraja, "Order Statistics",
    2003, section 7.1), ranks from the normal approximation of the binomial; it assumes nothing of
    the distribution. It speaks of this launch alone: how launches differ is another matter.
    """
    ordered = sorted(samples)
    count = len(ordered)
    half = 0.98 * math.sqrt(count)  # 1.96 standard deviations of a binomial of p = 1/2
    low = ordered[max(0, math.floor(count / 2 - half))]
    high = ordered[min(count - 1, math.ceil(count / 2 + half))]
    median = statistics.median(ordered)
    return max(high - median, median - low) / median if median > 0 else 0.0


def _warm_up(sample: Callable[[], object], rule: TimingRule, clock: Clock) -> tuple[int, bool]:
    """Run until the limits are met and the runtime is steady, or until the cap.

    A slow run ends it when the time is over, after three runs.

    Returns:
        Runs, and whether it ended steady.
    """
    begin, durations = clock(), deque[int](maxlen=2 * _STEADY_WINDOW)
    runs = 0
    while True:
        start = clock()
        sample()
        now = clock()
        durations.append(now - start)
        runs += 1
        elapsed_ns = now - begin
        if elapsed_ns < rule.warmup_s * 1e9:
            continue
        if runs >= rule.warmup_runs:
            steady = _is_steady(list(durations), rule.steady_within)
            if steady or elapsed_ns >= rule.warmup_cap_s * 1e9:
                return runs, steady
        elif runs >= 3 and _slow(elapsed_ns, runs, rule):
            return runs, _is_steady(list(durations), rule.steady_within)


def _is_steady(durations: Sequence[int], within: float) -> bool:
    """Compare the medians of the two halves of what came last."""
    half = len(durations) // 2
    if half == 0:
        return True
    before, after = statistics.median(durations[:half]), statistics.median(durations[half:])
    return abs(after - before) <= within * before


def _slow(elapsed_ns: int, runs: int, rule: TimingRule) -> bool:
    """Tell whether the fewest runs would take more than ten times the warm-up's time."""
    return elapsed_ns / runs * rule.warmup_runs > rule.warmup_s * 1e10
