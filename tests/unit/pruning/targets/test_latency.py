import itertools
import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.targets.latency import RATIOS, LatencyPlan, choose_widths
from spinn_edge.pruning.targets.latency_candidates import widths_at
from spinn_edge.pruning.targets.latency_goal import LatencyGoal, MeasuredLatency, Widths

DENSE = (512, 512, 512, 256)
FLOOR_S, SLOPE_S = 9e-6, 7e-11


def count(widths):
    """Parameters of an MLP with 18 inputs and 2 outputs."""
    return sum((a + 1) * b for a, b in itertools.pairwise((18, *widths, 2)))


def on_the_line(widths):
    return FLOOR_S + SLOPE_S * count(widths)


def steps(widths):
    """Vector units work in 16: a width in between costs as much as the next multiple and a tail."""
    padded = tuple(-(-width // 16) * 16 for width in widths)
    tails = sum(width % 16 != 0 for width in widths)
    return FLOOR_S + SLOPE_S * count(padded) + 1.5e-6 * tails


class FakeMachine:
    """Times by a formula, noise on top.

    Attributes:
        calls: what was asked for.
    """

    def __init__(
        self,
        latency_of: Callable[[Widths], float],
        *,
        noise: float = 0.0,
        drift: float = 0.0,
        launches: int = 5,
        seed: int = 0,
    ) -> None:
        self.calls: list[tuple[Widths, ...]] = []
        self._latency_of, self._noise, self._drift = latency_of, noise, drift
        self._launches = launches
        self._generator = np.random.default_rng(seed)

    def __call__(self, asked: Sequence[Widths]) -> list[MeasuredLatency]:
        self.calls.append(tuple(asked))
        speed = 1 + self._drift * (len(self.calls) - 1)  # of the whole machine, call after call
        return [self._measure(widths, speed) for widths in asked]

    def _measure(self, widths: Widths, speed: float) -> MeasuredLatency:
        scatter = self._generator.normal(0, self._noise, self._launches)
        launches = speed * self._latency_of(widths) * np.exp(scatter)
        mean, half = launches.mean(), 2 * launches.std() / len(launches) ** 0.5
        told = len(launches) >= 3
        return MeasuredLatency(
            widths=widths,
            latency_s=mean,
            low_s=mean - half if told else None,
            high_s=mean + half if told else None,
        )


def choose(measure, dense=DENSE, **changes):
    options = {"goal": LatencyGoal(share=0.4), "measure": measure, "count": count, **changes}
    return choose_widths(dense, **options)


# --- which widths there are


def test_widths_are_scaled_rounded_to_the_nearest_and_bounded():
    def at(ratio, multiple=1, floors=(1, 1, 1), protected=()):
        return widths_at((100, 60, 5), ratio, multiple=multiple, floors=floors, protected=protected)

    assert at(0.5) == (50, 30, 2)
    assert at(0.5, multiple=8) == (48, 32, 5)  # no multiple of 8 is 5 or less
    assert at(1.0, multiple=8) == (96, 56, 5)
    assert at(0.0) == (1, 1, 1)
    assert at(0.0, multiple=16) == (16, 16, 5)
    assert at(0.0, floors=(10, 20, 9)) == (10, 20, 5)
    assert at(0.0, multiple=8, floors=(10, 57, 1)) == (16, 60, 5)
    assert at(0.0, protected={0, 2}) == (100, 1, 5)


@given(
    st.lists(st.integers(1, 600), min_size=1, max_size=4),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([1, 3, 8, 16]),
    st.lists(st.integers(0, 40), min_size=4, max_size=4),
)
def test_no_width_falls_when_the_ratio_rises(dense, one, other, multiple, floors):
    floors = floors[: len(dense)]

    def at(ratio):
        return widths_at(tuple(dense), ratio, multiple=multiple, floors=floors, protected=())

    low, high = at(min(one, other)), at(max(one, other))
    for small, large, width, floor in zip(low, high, dense, floors, strict=True):
        assert min(floor, width) <= small <= large <= width
        assert small >= 1
        assert small % multiple == 0 or small == width


# --- what is chosen


@pytest.mark.parametrize("share", [0.1, 0.3, 0.4, 0.6, 0.7])
def test_largest_network_within_the_goal_is_found_between_the_table_rows(share):
    goal_s = (1 - share) * on_the_line(DENSE)
    plan = choose(FakeMachine(on_the_line), goal=LatencyGoal(share=share))
    assert on_the_line(plan.widths) <= goal_s
    # no ratio a fiftieth of the table's step and more above it would do
    larger = widths_at(
        DENSE,
        plan.chosen.candidate.ratio + 0.1 / 5 + 0.01,
        multiple=1,
        floors=(1,) * 4,
        protected=(),
    )
    assert on_the_line(larger) > goal_s
    assert plan.chosen.goal_s == pytest.approx(goal_s)


def test_absolute_goal_is_met():
    plan = choose(FakeMachine(on_the_line), goal=LatencyGoal(absolute_s=30e-6))
    assert 0.9 * 30e-6 < on_the_line(plan.widths) <= 30e-6


def test_rounded_widths_are_chosen_where_they_are_faster():
    plan = choose(FakeMachine(steps))
    alone = choose(FakeMachine(steps), multiples=(1,))
    assert all(width % 16 == 0 for width in plan.widths)
    assert plan.chosen.candidate.parameters > alone.chosen.candidate.parameters


def test_multiples_bind_where_they_are_given():
    plan = choose(FakeMachine(on_the_line), multiples=(32,))
    assert all(width % 32 == 0 for width in plan.widths)
    assert {w % 32 for call in plan.rounds for t in call.trials for w in t.candidate.widths} == {0}


def test_floors_and_protected_groups_hold_in_everything_that_is_timed():
    machine = FakeMachine(on_the_line)
    plan = choose(machine, floors=(100, 1, 1, 1), protected={3})
    for widths in itertools.chain.from_iterable(machine.calls):
        assert widths[0] >= 100
        assert widths[3] == 256
    assert plan.widths[1] < 512


@pytest.mark.parametrize("seed", range(20))
def test_noise_leaves_the_choice_within_a_tenth_of_the_goal(seed):
    plan = choose(FakeMachine(steps, noise=0.05, seed=seed))
    assert 0.75 < steps(plan.widths) / (0.6 * steps(DENSE)) < 1.1


def test_choice_is_one_that_was_in_time_when_it_was_measured_last():
    for seed in range(20):
        plan = choose(FakeMachine(steps, noise=0.1, seed=seed))
        times = [t for r in plan.rounds for t in r.trials if t.candidate.widths == plan.widths]
        assert times[-1] == plan.chosen
        assert plan.chosen.within


def test_lucky_figure_of_the_table_is_measured_again_and_dropped():
    lucky = widths_at(DENSE, 0.9, multiple=1, floors=(1,) * 4, protected=())

    class LuckyOnce(FakeMachine):
        def _measure(self, widths, speed):
            found = super()._measure(widths, speed)
            if widths == lucky and len(self.calls) == 2:
                return MeasuredLatency(widths=widths, latency_s=1e-6)
            return found

    plan = choose(LuckyOnce(on_the_line))
    assert any(t.candidate.widths == lucky and t.within for t in plan.rounds[1].trials)
    assert 0.9 < on_the_line(plan.widths) / (0.6 * on_the_line(DENSE)) <= 1.0


def test_drift_of_the_machine_does_not_move_a_share():
    still, slower = (choose(FakeMachine(on_the_line, drift=drift)) for drift in (0.0, 0.3))
    assert still.widths == slower.widths


def test_dense_network_is_timed_first_in_every_call_and_nothing_twice():
    machine = FakeMachine(on_the_line)
    said = []
    plan = choose(machine, on_round=lambda number, widths: said.append((number, widths)))
    assert said == list(enumerate(machine.calls, 1))
    assert len(plan.rounds) == len(machine.calls) == 3
    for call in machine.calls:
        assert call[0] == DENSE
        assert len(set(call)) == len(call)
    assert machine.calls[0] == (DENSE, (1, 1, 1, 1))
    assert len(machine.calls[1]) <= 2 + 3 * len(RATIOS)
    assert plan.widths in machine.calls[2]


def test_small_network_without_ratios_in_between_needs_no_third_round():
    plan = choose(FakeMachine(lambda widths: 1e-6 * widths[0]), dense=(3,), count=lambda w: w[0])
    assert plan.widths == (1,)
    assert len(plan.rounds) == 2


def test_table_goes_into_json_and_comes_back():
    plan = choose(FakeMachine(steps, noise=0.02))
    assert decode(LatencyPlan, json.loads(json.dumps(encode(plan))), where="plan") == plan
    for measured in plan.rounds:
        parameters = [trial.candidate.parameters for trial in measured.trials]
        assert parameters == sorted(parameters)


# --- what is refused


def test_goal_below_the_floor_is_refused_with_the_fastest_before_the_table_is_timed():
    machine = FakeMachine(on_the_line, noise=0.01)
    with pytest.raises(
        PruningError,
        match=r"no network of this shape answers in 8\.0 µs: the fastest that was measured, "
        r"1-1-1-1, takes [89]\.\d µs \(as it is: 5\d\.\d µs\)",
    ):
        choose(machine, goal=LatencyGoal(absolute_s=8e-6))
    assert len(machine.calls) == 1


def test_goal_that_the_dense_network_meets_is_refused_before_the_table_is_timed():
    machine = FakeMachine(on_the_line)
    with pytest.raises(
        PruningError, match=r"as it is \(512-512-512-256\) answers in 55\.\d µs, within 60\.0 µs"
    ):
        choose(machine, goal=LatencyGoal(absolute_s=60e-6))
    assert len(machine.calls) == 1


@pytest.mark.parametrize("goal_us", [8, 60])
def test_too_few_launches_to_tell_are_told_by_the_table(goal_us):
    machine = FakeMachine(on_the_line, launches=2)
    with pytest.raises(PruningError, match=r"no network of this shape|nothing to remove"):
        choose(machine, goal=LatencyGoal(absolute_s=goal_us * 1e-6))
    assert len(machine.calls) == 2


def test_first_look_that_only_noise_made_slow_does_not_refuse():
    class SlowOnce(FakeMachine):
        def _measure(self, widths, speed):
            found = super()._measure(widths, speed)
            if len(self.calls) == 1 and widths != DENSE:  # wide interval, mean above the goal
                return MeasuredLatency(widths=widths, latency_s=50e-6, low_s=8e-6, high_s=90e-6)
            return found

    plan = choose(SlowOnce(on_the_line), goal=LatencyGoal(absolute_s=30e-6))
    assert on_the_line(plan.widths) <= 30e-6


def test_network_in_which_nothing_may_shrink_is_refused_untimed():
    machine = FakeMachine(on_the_line)
    for limits in ({"protected": range(4)}, {"floors": DENSE}, {"multiples": (1024,)}):
        with pytest.raises(PruningError, match="no width of 512-512-512-256 can shrink"):
            choose(machine, **limits)
    assert machine.calls == []
