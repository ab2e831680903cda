"""What may be called faster: on planted differences and on none."""

import math
import sys

import numpy as np
import pytest

from spinn_edge.bench.evidence.intervals import (
    CONFIDENCE,
    FASTER,
    NO_DIFFERENCE,
    RESAMPLES,
    SLOWER,
    Interval,
    launch_medians,
    median_interval,
    noise_floor,
    speedup_interval,
    speedup_of,
    verdict_on,
)


def judged(before, after):
    return verdict_on(speedup_interval(before, after), noise_floor(before, after))


def noisy(rng, centre, spread=0.02, launches=5):
    return (centre * np.exp(rng.normal(0, spread, launches))).tolist()


def test_each_launch_has_its_own_median():
    assert launch_medians([1.0, 2.0, 3.0, 10.0, 30.0], [3, 2]) == (2.0, 20.0)
    assert launch_medians([1.0], [1, 0]) == (1.0,)
    assert launch_medians([], []) == ()


def test_a_speed_up_is_the_mean_of_pairs_that_ran_beside_each_other():
    drifting = [1.0, 2.0, 4.0]  # the machine slows down by four; the ratio stays
    halves = [0.5, 1.0, 2.0]
    assert speedup_of(drifting, halves) == pytest.approx(2.0)
    assert speedup_interval(drifting, halves) == Interval(low=2.0, high=2.0)
    assert speedup_of([], halves) is None


def test_an_interval_holds_the_truth_of_most_repeats():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        found = median_interval(noisy(rng, 1e-5, 0.03))
        assert found is not None
        held += found.low <= 1e-5 <= found.high
    assert held >= 0.75 * 200  # five launches: a percentile bootstrap is too narrow, by so much


def test_fewer_than_three_launches_tell_nothing():
    assert median_interval([1.0, 1.1]) is None
    assert speedup_interval([1.0, 1.1], [1.0, 1.2]) is None
    assert noise_floor([1.0, 1.1]) is None
    assert verdict_on(None, 0.1) is None
    assert verdict_on(Interval(low=2, high=3), None) is None


def test_the_floor_is_the_worst_split_of_a_thing_with_itself():
    assert noise_floor([1.0, 1.0, 1.0, 1.0]) == 0.0
    assert noise_floor([1.0, 1.0, 1.2, 1.2]) == pytest.approx(0.2)
    assert noise_floor([1.0] * 5, [1.0, 1.0, 1.0, 1.0, 1.5]) == pytest.approx(
        math.exp(math.log(1.5) / 2) - 1
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.11, 1.3, FASTER),
        (1.09, 1.3, NO_DIFFERENCE),
        (0.7, 0.9, SLOWER),
        (0.7, 0.92, NO_DIFFERENCE),
        (0.9, 1.2, NO_DIFFERENCE),
    ],
)
def test_the_whole_interval_must_clear_the_floor(low, high, verdict):
    assert verdict_on(Interval(low=low, high=high), 0.1) == verdict


def test_equal_things_are_hardly_ever_told_apart():
    rng = np.random.default_rng(2)
    calls = [judged(noisy(rng, 1e-5), noisy(rng, 1e-5)) for _ in range(100)]
    assert sum(call != NO_DIFFERENCE for call in calls) <= 5


def test_a_slow_down_of_fifteen_per_cent_is_found():
    rng = np.random.default_rng(3)
    calls = [judged(noisy(rng, 1e-5), noisy(rng, 1.15e-5)) for _ in range(100)]
    assert calls.count(SLOWER) >= 95
    assert FASTER not in calls


def test_intervals_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(4)
    for size in (3, 4, 5, 8, 13):
        medians = noisy(rng, 1e-5, launches=size)
        theirs = stats.bootstrap(
            (np.log(medians),),
            lambda logs, axis: logs.mean(axis=axis),
            confidence_level=CONFIDENCE,
            n_resamples=RESAMPLES,
            method="percentile",
            rng=np.random.default_rng(0),
        ).confidence_interval
        ours = median_interval(medians)
        assert ours is not None
        # older versions of scipy interpolate in another order, which may cost the last digit
        assert (ours.low, ours.high) == pytest.approx(
            (math.exp(theirs.low), math.exp(theirs.high)), rel=1e-14
        )


def test_intervals_need_no_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    assert median_interval([1.0, 2.0, 3.5]) is not None
