"""The measuring loop."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import Feeds
from spinn_edge.runtimes.base import Runtime, infer

Clock = Callable[[], int]
Sample = TypeVar("Sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingRule:
    """When to start and when to stop.

    Attributes:
        warmup_runs: fewest inferences before the first sample.
        warmup_s: shortest warm-up; it also ends a slow warm-up after three runs.
        budget_s: time for samples.
        most_samples: samples after which it stops, though time is left.
        fewest_samples: samples that it takes, though time is over.
    """

    warmup_runs: int = 20
    warmup_s: float = 0.3
    budget_s: float = 1.0
    most_samples: int = 10_000
    fewest_samples: int = 30

    def __post_init__(self) -> None:
        if not self.budget_s > 0:
            raise UsageError(f"--seconds must be above 0, got {self.budget_s:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Samples in seconds, in run order, and how many runs came before them."""

    samples_s: tuple[float, ...]
    warmup_runs: int


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


def in_seconds(samples_ns: tuple[int, ...], warmup_runs: int) -> Timing:
    """Return what :func:`repeat` collected, nanoseconds, as a timing."""
    return Timing(samples_s=tuple(ns / 1e9 for ns in samples_ns), warmup_runs=warmup_runs)


def repeat(
    sample: Callable[[], Sample], rule: TimingRule, clock: Clock
) -> tuple[tuple[Sample, ...], int]:
    """Warm up with ``sample``, then collect what it returns until the rule says stop.

    Args:
        sample: runs one inference and returns what was measured of it.
        rule: when to start and when to stop.
        clock: monotonic, nanoseconds; only the limits of the rule are read from it.

    Returns:
        Every sample, in run order, and how many runs came before them.
    """
    warmup_runs = _warm_up(sample, rule, clock)
    samples: list[Sample] = []
    end_ns = clock() + int(rule.budget_s * 1e9)
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()  # as timeit does: a collection belongs to the harness, not to the model
    try:
        while len(samples) < rule.most_samples:
            samples.append(sample())
            if clock() >= end_ns and len(samples) >= rule.fewest_samples:
                break
    finally:
        if collecting:
            gc.enable()
    return tuple(samples), warmup_runs


def _warm_up(sample: Callable[[], object], rule: TimingRule, clock: Clock) -> int:
    """Run until both limits are met, or, when one run is slow, until the time is over."""
    start, runs = clock(), 0
    while True:
        sample()
        runs += 1
        over = clock() - start >= rule.warmup_s * 1e9
        if over and (
            runs >= rule.warmup_runs or (runs >= 3 and _slow(clock() - start, runs, rule))
        ):
            return runs


def _slow(elapsed_ns: int, runs: int, rule: TimingRule) -> bool:
    """Tell whether the fewest runs would take more than ten times the warm-up's time."""
    return elapsed_ns / runs * rule.warmup_runs > rule.warmup_s * 1e10
