import dataclasses
import gc
import inspect
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.bench.evidence.intervals import FASTER, NO_DIFFERENCE
from spinn_edge.bench.loops.pacing import (
    FASTEST_PER_S,
    FEWEST_TICKS,
    OVERLOAD,
    SCHEDULE,
    SLOWEST_PER_S,
    Pacing,
    check_rate,
    count_ticks,
    pool_pacing,
    time_paced,
)
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import InferenceError, UsageError
from tests.fakes.runtime import FakeClock, FakeRuntime

MS = 1_000_000
FEEDS: dict[str, Any] = {}


def same(feeds):
    return {}


class Loop:
    """A loop on a fake clock whose sleeps end ``oversleep_ns`` late."""

    def __init__(self, durations_ns, oversleep_ns=0, compute=same):
        self.clock = FakeClock()
        self.runtime = FakeRuntime(compute, self.clock, iter(durations_ns))
        self.oversleep_ns: Iterator[int] = itertools.repeat(oversleep_ns)
        self.slept_s = []

    def sleep(self, seconds):
        self.slept_s.append(seconds)
        self.clock.advance(round(seconds * 1e9) + next(self.oversleep_ns))

    def time(self, rate_per_s=1000.0, ticks=20):
        rule = TimingRule(most_samples=ticks)
        return time_paced(self.runtime, FEEDS, rate_per_s, rule, self.clock, self.sleep)


def ms(*values):
    return [pytest.approx(value / 1000) for value in values]


# --- the schedule


def test_each_tick_gets_one_whole_inference():
    loop = Loop(itertools.repeat(MS // 4))
    paced = loop.time()
    assert loop.runtime.calls == ["bind", "run", "fetch"] * 20
    assert paced.timing.samples_s == (0.00025,) * 20
    assert paced.pacing.responses_s == (0.00025,) * 20
    assert paced.pacing.lateness_s == (0.0,) * 20
    assert paced.timing.course.stopped_by == SCHEDULE


def test_it_sleeps_until_each_tick_the_first_one_too():
    loop = Loop(itertools.repeat(MS // 4))
    loop.time()
    assert loop.slept_s == [0.001] + [0.00075] * 19
    assert loop.clock.now_ns == 20 * MS + MS // 4


def test_a_late_wake_up_belongs_to_the_response_and_not_to_the_service():
    paced = Loop(itertools.repeat(MS // 4), oversleep_ns=MS // 10).time()
    assert paced.timing.samples_s == (0.00025,) * 20
    assert paced.pacing.lateness_s == (0.0001,) * 20
    assert paced.pacing.responses_s == (0.00035,) * 20


def test_an_overrun_delays_those_that_wait_behind_it_and_shifts_no_tick():
    durations = [MS // 4] * 3 + [MS * 5 // 2] + [MS // 4] * 16  # the fourth takes 2.5 periods
    paced = Loop(durations).time()
    assert list(paced.pacing.lateness_s[3:8]) == ms(0, 1.5, 0.75, 0, 0)
    assert list(paced.pacing.responses_s[3:8]) == ms(2.5, 1.75, 1.0, 0.25, 0.25)
    assert paced.pacing.missed == 2  # the one after those ends right at its deadline
    assert paced.pacing.missed_share == 0.1
    assert paced.pacing.kept_up


def test_ticks_do_not_drift_where_the_period_is_no_whole_number():
    loop = Loop(itertools.repeat(1000))
    loop.time(rate_per_s=333.0, ticks=20)
    period_ns = 1e9 / 333
    assert abs(loop.clock.now_ns - 1000 - 20 * period_ns) <= 2


def test_a_sleep_that_ends_early_is_slept_on():
    loop = Loop(itertools.repeat(MS // 4))
    loop.oversleep_ns = itertools.chain([-MS // 100], itertools.repeat(0))
    assert min(loop.time().pacing.lateness_s) == 0


def test_it_waits_by_sleeping_as_an_application_does():
    defaults = inspect.signature(time_paced).parameters
    assert defaults["sleep"].default is time.sleep
    assert defaults["clock"].default is time.perf_counter_ns


# --- overload


def test_a_loop_that_cannot_keep_up_ends_with_its_schedule():
    loop = Loop(itertools.repeat(2 * MS))
    paced = loop.time(ticks=100)
    assert paced.timing.course.stopped_by == OVERLOAD
    assert len(paced.timing.samples_s) == 50  # served in the time of a hundred
    assert loop.clock.now_ns == 101 * MS
    assert paced.pacing.responses_s[:3] == (0.002, 0.003, 0.004)


def test_ticks_that_never_began_missed_their_deadline_too():
    pacing = Loop(itertools.repeat(2 * MS)).time(ticks=100).pacing
    assert (pacing.due, pacing.unserved, pacing.missed) == (100, 50, 100)
    assert pacing.missed_share == 1
    assert not pacing.kept_up
    assert pacing.busy_share == pytest.approx(2)
    assert pacing.behind_s == (0.05,)


def test_a_little_too_slow_is_not_kept_up_though_every_tick_begins():
    paced = Loop(itertools.repeat(MS + MS // 100)).time(ticks=30)
    assert paced.timing.course.stopped_by == SCHEDULE
    assert not paced.pacing.kept_up
    assert paced.pacing.behind_s == (pytest.approx(0.0003),)


def test_a_very_slow_inference_takes_the_fewest_ticks_and_no_more():
    paced = Loop(itertools.repeat(10_000 * MS)).time(ticks=1000)
    assert len(paced.timing.samples_s) == FEWEST_TICKS
    assert paced.pacing.unserved == 990


def test_one_that_takes_exactly_a_period_keeps_up_and_misses_nothing():
    pacing = Loop(itertools.repeat(MS)).time(ticks=50).pacing
    assert (pacing.missed, pacing.unserved, pacing.behind_s) == (0, 0, (0.0,))


def test_percentiles_count_ticks_that_never_began():
    responses = (0.001,) * 1000
    some = Pacing(rate_per_s=500, lateness_s=(0.0,) * 1000, responses_s=responses, ticks=(1005,))
    assert (some.response_median_s, some.response_p99_s) == (0.001, 0.001)
    many = dataclasses.replace(some, ticks=(1100,))
    assert (many.response_median_s, many.response_p99_s) == (0.001, None)
    most = dataclasses.replace(some, ticks=(3000,))
    assert (most.response_median_s, most.response_p99_s) == (None, None)


# --- figures


def pacing(lateness_s=(0.0,) * 20, service_s=0.0002, **changes):
    base = Pacing(
        rate_per_s=1000.0,
        lateness_s=tuple(lateness_s),
        responses_s=tuple(late + service_s for late in lateness_s),
        ticks=(len(lateness_s),),
    )
    return dataclasses.replace(base, **changes)


def test_jitter_is_the_99th_percentile_of_lateness_beyond_its_median():
    lateness_s = [1e-5] * 980 + [9e-5] * 20
    seen = pacing(lateness_s)
    assert seen.jitter_s == pytest.approx(8e-5)
    assert seen.lateness_std_s == pytest.approx(statistics.stdev(lateness_s))


def test_jitter_is_stated_only_with_ten_samples_beyond_it():
    assert pacing([1e-5] * 999).jitter_s is None
    assert pacing([1e-5] * 1000).jitter_s == 0


def test_one_tick_has_no_deviation():
    assert pacing([1e-5]).lateness_std_s is None


@given(st.lists(st.floats(0, 0.003), min_size=1, max_size=60), st.integers(0, 30))
def test_missed_are_all_that_were_not_in_time(lateness_s, never_began):
    seen = pacing(lateness_s, ticks=(len(lateness_s) + never_began,))
    in_time = sum(late + 0.0002 <= seen.period_s for late in lateness_s)
    assert seen.missed == seen.due - in_time
    assert 0 <= seen.missed_share <= 1


def test_the_idle_gap_penalty_is_the_loop_over_back_to_back():
    seen = pacing(back_to_back_medians_s=(0.0001, 0.0001, 0.00011, 0.0001, 0.0001))
    paced = (0.00014, 0.00015, 0.00014, 0.00014, 0.00015)
    penalty, interval = seen.idle_gap_penalty(paced), seen.idle_gap_interval(paced)
    assert penalty == pytest.approx(1.41, abs=0.02)
    assert interval is not None
    assert interval.low < penalty < interval.high
    assert seen.idle_gap_verdict(paced) == FASTER


def test_a_penalty_within_the_noise_is_none():
    seen = pacing(back_to_back_medians_s=(0.0001, 0.00011, 0.0001))
    assert seen.idle_gap_verdict((0.00011, 0.0001, 0.000105)) == NO_DIFFERENCE


def test_without_a_back_to_back_timing_there_is_no_penalty():
    seen = pacing()
    medians = (0.0001,) * 5
    assert (seen.idle_gap_penalty(medians), seen.idle_gap_interval(medians)) == (None, None)
    assert seen.idle_gap_verdict(medians) is None


def test_launches_are_joined_with_nothing_left_out():
    late = pacing([0.002] * 3, behind_s=(0.1,), ticks=(5,), back_to_back_medians_s=(0.0002,))
    joined = pool_pacing([pacing([0.0] * 2, back_to_back_medians_s=(0.0001,)), late])
    assert joined.lateness_s == (0.0, 0.0, 0.002, 0.002, 0.002)
    assert (joined.ticks, joined.due, joined.missed, joined.unserved) == ((2, 5), 7, 5, 2)
    assert joined.behind_s == (0.1,)
    assert joined.back_to_back_medians_s == (0.0001, 0.0002)


def test_it_survives_the_pipe():
    seen = Loop(itertools.repeat(2 * MS)).time(ticks=100).pacing
    text = json.dumps(encode(seen), allow_nan=False)
    assert decode(Pacing, json.loads(text), where="pacing") == seen


# --- how long, how fast


@pytest.mark.parametrize(
    ("rate_per_s", "budget_s", "ticks"),
    [
        (1000, 0.3, 1000),
        (100, 0.3, 100),
        (20_000, 0.3, 1000),
        (2, 0.3, FEWEST_TICKS),
        (0.1, 0.3, FEWEST_TICKS),
        (100, 3.0, 300),
        (20_000, 3.0, 3000),
        (1000, 60.0, 10_000),
    ],
)
def test_a_schedule_lasts_a_second_or_a_thousand_ticks(rate_per_s, budget_s, ticks):
    assert count_ticks(rate_per_s, TimingRule(budget_s=budget_s)) == ticks


@pytest.mark.parametrize("rate_per_s", [SLOWEST_PER_S, 1, 1000, FASTEST_PER_S])
def test_rates_that_can_be_slept_are_taken(rate_per_s):
    check_rate(rate_per_s)


@pytest.mark.parametrize(
    "rate_per_s", [0, -1, 0.05, 20_001, 1e9, float("inf"), float("-inf"), float("nan")]
)
def test_rates_that_cannot_be_slept_are_refused(rate_per_s):
    with pytest.raises(UsageError, match=r"--rate .*: expected 0.1 to 20,000 inferences a second"):
        time_paced(FakeRuntime(), FEEDS, rate_per_s, TimingRule())


# --- the harness stays out


def test_garbage_is_not_collected_while_it_runs():
    states = []

    def look(feeds):
        states.append(gc.isenabled())
        return {}

    Loop(itertools.repeat(MS // 4), compute=look).time()
    assert states == [False] * 20
    assert gc.isenabled()


def test_a_failure_ends_it_with_the_runtimes_error():
    def fail(feeds):
        raise InferenceError("out of device memory")

    with pytest.raises(InferenceError, match="out of device memory"):
        Loop(itertools.repeat(MS), compute=fail).time()
    assert gc.isenabled()
