import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.pruning.targets.latency_goal import LatencyGoal, MeasuredLatency, judge_latency


def measured(latency_us, low_us=None, high_us=None):
    return MeasuredLatency(
        widths=(8,),
        latency_s=latency_us * 1e-6,
        low_s=None if low_us is None else low_us * 1e-6,
        high_s=None if high_us is None else high_us * 1e-6,
    )


def test_absolute_goal_does_not_depend_on_the_dense_latency():
    goal = LatencyGoal(absolute_s=40e-6)
    assert goal.seconds(1.0) == goal.seconds(2.0) == 40e-6


def test_share_is_what_is_removed_of_the_dense_latency():
    assert LatencyGoal(share=0.4).seconds(50e-6) == pytest.approx(30e-6)


@pytest.mark.parametrize("given", [{}, {"absolute_s": 1e-6, "share": 0.5}])
def test_exactly_one_goal_is_given(given):
    with pytest.raises(UsageError, match="name one latency: --latency-us 40"):
        LatencyGoal(**given)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 40.0, float("nan")])
def test_share_outside_0_to_1_is_refused(share):
    with pytest.raises(UsageError, match="share of the latency to remove, above 0 and below 1"):
        LatencyGoal(share=share)


@pytest.mark.parametrize("absolute_s", [0.0, -1e-6, float("nan")])
def test_latency_that_is_no_time_is_refused(absolute_s):
    with pytest.raises(UsageError, match="--latency-us must be above 0"):
        LatencyGoal(absolute_s=absolute_s)


@pytest.mark.parametrize(
    ("latency", "reached", "certain", "spare"),
    [
        (measured(40, 39, 41), True, True, False),
        (measured(43.9, 43, 44), True, True, False),  # up to the limit, which is 44
        (measured(43, 42, 45), True, False, False),  # within, but the interval reaches over it
        (measured(45, 43, 47), False, False, False),  # beyond, but the interval reaches below it
        (measured(46, 45, 47), False, True, False),
        (measured(44.1), False, True, False),  # no interval: the figure alone decides
        (measured(43.9), True, True, False),
        (measured(35, 34, 35.9), True, True, True),
        (measured(35, 34, 36.1), True, True, False),  # below 36, but not beyond the noise
        (measured(35), True, True, True),
    ],
)
def test_verdict_respects_tolerance_and_noise(latency, reached, certain, spare):
    verdict = judge_latency(latency, 40e-6)
    assert (verdict.reached, verdict.certain, verdict.spare) == (reached, certain, spare)


def test_tolerance_is_an_argument():
    assert not judge_latency(measured(41), 40e-6, tolerance=0.0).reached
    assert judge_latency(measured(55), 40e-6, tolerance=0.5).reached


@pytest.mark.parametrize(
    ("latency", "words"),
    [
        (measured(41), "reached: 41.0 µs measured, 2.5% above the goal of 40.0 µs"),
        (
            measured(45, 43, 47),
            "missed: 45.0 µs measured (43.0 to 47.0), 12.5% above the goal of 40.0 µs; the "
            "interval reaches over the limit, so more --launches may say otherwise",
        ),
        (
            measured(20, 19, 21),
            "reached: 20.0 µs measured (19.0 to 21.0), 50.0% below the goal of 40.0 µs; faster "
            "than asked, a larger network might do",
        ),
    ],
)
def test_verdict_is_one_line(latency, words):
    assert judge_latency(latency, 40e-6).words == words
