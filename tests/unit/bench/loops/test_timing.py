import gc
import itertools
from typing import Any

import pytest

from spinn_edge.bench.loops.timing import (
    BUDGET,
    INTERVAL,
    MOST_SAMPLES,
    TimingRule,
    time_bound,
    time_inference,
    time_throughput,
)
from spinn_edge.core.errors import InferenceError, UsageError
from tests.fakes.runtime import DEVICE_NS, RUN_NS, FakeClock, FakeDeviceRuntime, FakeRuntime

MS = 1_000_000
FEEDS: dict[str, Any] = {}


def same(feeds):
    return {}


def time_fake(rule, durations_ns=None, compute=same):
    clock = FakeClock()
    runtime = FakeRuntime(compute, clock, durations_ns)
    return time_inference(runtime, FEEDS, rule, clock), runtime


def rule(**changes):
    """One warm-up run, no limits of time that matter, at most ten samples."""
    defaults = {
        "warmup_runs": 1,
        "warmup_s": 0.0,
        "budget_s": 1e6,
        "warmup_cap_s": 0.0,
        "median_within": -1.0,
        "most_samples": 10,
        "fewest_samples": 1,
    }
    return TimingRule(**(defaults | changes))


# --- samples


def test_each_sample_is_one_whole_inference_in_seconds():
    timing, runtime = time_fake(rule(most_samples=4), itertools.count(MS, MS))
    assert timing.samples_s == (0.002, 0.003, 0.004, 0.005)
    assert timing.course.warmup_runs == 1
    assert runtime.calls == ["bind", "run", "fetch"] * 5


def test_time_in_any_of_the_three_calls_counts():
    clock = FakeClock()
    runtime = FakeRuntime(same, clock)
    for index, name in enumerate(("bind", "fetch"), start=1):
        real = getattr(runtime, name)

        def slow(*feeds, real=real, index=index):
            clock.advance(index * MS)
            return real(*feeds)

        setattr(runtime, name, slow)
    timing = time_inference(runtime, FEEDS, rule(most_samples=2), clock)
    assert timing.samples_s == ((1 + 2) / 1000 + RUN_NS / 1e9,) * 2


def test_no_sample_is_dropped_however_slow():
    durations = [MS] + [500 * MS if index % 100 == 99 else MS for index in range(1000)]
    timing, _ = time_fake(rule(most_samples=1000), iter(durations))
    assert len(timing.samples_s) == 1000
    assert timing.samples_s.count(0.5) == 10
    assert timing.samples_s == tuple(ns / 1e9 for ns in durations[1:])


def test_a_failure_ends_the_timing_with_the_runtimes_error():
    runs = itertools.count()

    def fail_at_three(feeds):
        if next(runs) == 3:
            raise InferenceError("out of device memory")
        return {}

    with pytest.raises(InferenceError, match="out of device memory"):
        time_fake(rule(), compute=fail_at_three)


# --- inputs that are bound before


def test_bound_binds_once_and_times_the_run_and_its_end():
    clock = FakeClock()
    runtime = FakeDeviceRuntime(same, clock)
    timing = time_bound(runtime, FEEDS, rule(most_samples=3), clock)
    assert timing.samples_s == ((RUN_NS + DEVICE_NS) / 1e9,) * 3
    assert runtime.calls == ["bind", *["run", "sync"] * 4]


# --- throughput


def loops(inference_ns, *, about_s, finish_ns=0, throughput_s=0.01):
    """Return the samples and how many inferences each loop held."""
    clock, counts = FakeClock(), [0]

    def start():
        counts[-1] += 1
        clock.advance(inference_ns)

    def finish():
        counts.append(0)
        clock.advance(finish_ns)

    samples = time_throughput(
        start, finish, rule(throughput_s=throughput_s), about_s=about_s, clock=clock
    )
    return samples, counts[:-1]


def test_a_loop_lasts_a_millisecond_and_gives_the_time_of_one_inference():
    samples, counts = loops(30_000, about_s=30e-6)
    assert set(counts) == {34}  # 34 of 30 µs are the first above a millisecond
    assert samples == (pytest.approx(30e-6),) * 10


def test_a_loop_that_is_too_short_is_no_sample_and_the_next_is_longer():
    samples, counts = loops(1_000, about_s=30e-6)
    assert counts[:6] == [34, 68, 136, 272, 544, 1088]
    assert set(counts[6:]) == {1088}
    assert len(samples) == len(counts) - 5


def test_the_wait_for_the_end_counts_once_a_loop():
    samples, _ = loops(100_000, about_s=100e-6, finish_ns=500_000)
    assert samples[0] == pytest.approx((10 * 100e-6 + 500e-6) / 10)


def test_inferences_of_a_millisecond_need_no_loop():
    assert loops(MS, about_s=1e-3) == ((), [])


def test_three_loops_are_taken_though_time_is_over():
    samples, _ = loops(500_000, about_s=500e-6, throughput_s=1e-9)
    assert len(samples) == 3


# --- when it stops


def test_it_stops_at_the_largest_number():
    timing, _ = time_fake(rule(most_samples=7))
    assert len(timing.samples_s) == 7


def test_it_stops_when_the_time_is_over():
    timing, _ = time_fake(rule(budget_s=0.005, most_samples=100))
    assert len(timing.samples_s) == 5


def test_it_takes_the_fewest_though_the_time_is_over():
    timing, _ = time_fake(rule(budget_s=0.001, most_samples=100, fewest_samples=30))
    assert len(timing.samples_s) == 30


@pytest.mark.parametrize("budget_s", [0, -1, float("nan")])
def test_no_time_for_samples_is_refused(budget_s):
    with pytest.raises(UsageError, match="--seconds must be above 0"):
        TimingRule(budget_s=budget_s)


# --- warm-up


def test_warm_up_lasts_until_both_limits_are_met():
    runs_first, _ = time_fake(rule(warmup_runs=20, warmup_s=0.003))
    time_first, _ = time_fake(rule(warmup_runs=2, warmup_s=0.012))
    assert (runs_first.course.warmup_runs, time_first.course.warmup_runs) == (20, 12)


def test_a_slow_runtime_is_warm_after_three_runs():
    timing, _ = time_fake(rule(warmup_runs=20, warmup_s=0.3), itertools.repeat(1000 * MS))
    assert timing.course.warmup_runs == 3


def falling(*steps_ms, runs=20):
    """Durations that fall step by step, each held for a number of runs, and then stay."""
    for step in steps_ms:
        yield from [step * MS] * runs
    while True:
        yield steps_ms[-1] * MS


def test_warm_up_goes_on_until_two_windows_agree():
    timing, _ = time_fake(
        rule(warmup_runs=20, warmup_s=0.05, warmup_cap_s=100.0), falling(9, 7, 5, 4)
    )
    assert timing.course.steady
    assert timing.course.warmup_runs == 20  # the first twenty are all alike
    ramp = itertools.chain((n * MS // 10 for n in range(60, 10, -1)), itertools.repeat(MS))
    timing, _ = time_fake(rule(warmup_runs=20, warmup_s=0.05, warmup_cap_s=100.0), ramp)
    assert timing.course.steady
    assert timing.course.warmup_runs > 50
    assert max(timing.samples_s) == 0.001


def test_warm_up_that_never_settles_ends_at_its_cap_and_says_so():
    timing, _ = time_fake(
        rule(warmup_runs=20, warmup_s=0.05, warmup_cap_s=3.0), itertools.count(MS, MS)
    )
    assert not timing.course.steady
    assert timing.course.warmup_runs == 77  # 1 + 2 + … + 77 ms is the first sum above 3 s


# --- when it ends


def spread(share):
    """Durations about 1 ms that swing to both sides by ``share``."""
    return itertools.cycle([int(MS * (1 + share * step / 10)) for step in range(-10, 11)])


def test_it_ends_when_the_interval_of_the_median_is_narrow():
    timing, _ = time_fake(rule(most_samples=10_000, median_within=0.01), spread(0.05))
    assert timing.course.stopped_by == INTERVAL
    assert len(timing.samples_s) == 200


def test_a_wide_interval_takes_more_samples():
    timing, _ = time_fake(rule(most_samples=10_000, median_within=0.01), spread(0.2))
    assert timing.course.stopped_by == INTERVAL
    assert len(timing.samples_s) in (400, 800, 1600, 3200)


def test_it_says_when_its_time_or_its_samples_ended_it():
    timing, _ = time_fake(rule(budget_s=0.05, most_samples=10_000, fewest_samples=10))
    assert (timing.course.stopped_by, len(timing.samples_s)) == (BUDGET, 50)
    timing, _ = time_fake(rule(most_samples=7))
    assert (timing.course.stopped_by, len(timing.samples_s)) == (MOST_SAMPLES, 7)


def test_warm_up_runs_are_no_samples():
    durations = itertools.chain([9000 * MS] * 3, itertools.repeat(MS))
    timing, _ = time_fake(rule(warmup_runs=3, warmup_s=0.001), durations)
    assert max(timing.samples_s) == 0.001


# --- the harness stays out of the samples


def test_garbage_is_not_collected_while_samples_are_taken():
    states = []

    def look(feeds):
        states.append(gc.isenabled())
        return {}

    time_fake(rule(warmup_runs=1), compute=look)
    assert states == [True] + [False] * 10
    assert gc.isenabled()


def test_garbage_collection_is_on_again_after_a_failure():
    runs = itertools.count()

    def fail_later(feeds):
        if next(runs) == 2:
            raise InferenceError("failed")
        return {}

    with pytest.raises(InferenceError):
        time_fake(rule(), compute=fail_later)
    assert gc.isenabled()


def test_garbage_collection_that_was_off_stays_off():
    gc.disable()
    try:
        time_fake(rule())
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_defaults_are_those_that_the_guide_states():
    default = TimingRule()
    assert (default.warmup_runs, default.warmup_s, default.budget_s) == (20, 0.1, 0.2)
    assert (default.most_samples, default.fewest_samples) == (10_000, 30)
