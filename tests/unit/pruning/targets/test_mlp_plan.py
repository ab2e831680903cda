import itertools
import re
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.targets.mlp_plan import count_parameters, plan_mlp
from spinn_edge.pruning.targets.plan import RoundPlan

DEMO = (18, 512, 512, 512, 256, 2)

# Narrower ones cannot reach every target: 2-64-64-1 has no widths between 12.2 and 12.8 %.
large_mlps = st.tuples(
    st.integers(2, 40),
    st.lists(st.integers(128, 512), min_size=2, max_size=4)
    | st.lists(st.integers(170, 512), min_size=1, max_size=1),
    st.integers(1, 5),
).map(lambda drawn: (drawn[0], *drawn[1], drawn[2]))
small_mlps = st.tuples(
    st.integers(1, 8), st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 4)
).map(lambda drawn: (drawn[0], *drawn[1], drawn[2]))
targets = st.floats(0.05, 0.9)


def assert_sound(plans: Sequence[RoundPlan], widths: tuple[int, ...], target: float) -> None:
    assert plans[-1].requested == pytest.approx(target)
    for plan in plans:
        assert (plan.widths[0], plan.widths[-1]) == (widths[0], widths[-1])
        assert min(plan.widths) >= 1
        gone = 1 - count_parameters(plan.widths) / count_parameters(widths)
        assert plan.achieved == pytest.approx(gone, abs=1e-12)
    for wider, narrower in itertools.pairwise([widths, *(plan.widths for plan in plans)]):
        assert all(a >= b for a, b in zip(wider, narrower, strict=True))
        assert wider != narrower


def test_parameters_of_the_demo_network_are_counted_with_the_output_layer() -> None:
    assert count_parameters(DEMO) == 666_882
    assert count_parameters((3, 2)) == 8


@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
def test_demo_target_is_met_within_a_third_of_a_point(rounds: int) -> None:
    plans = plan_mlp(DEMO, target=0.685, rounds=rounds)

    assert_sound(plans, DEMO, 0.685)
    assert len(plans) == rounds
    assert abs(plans[-1].achieved - 0.685) < 0.003


def test_layers_keep_near_the_same_ratio() -> None:
    widths = plan_mlp(DEMO, target=0.685, rounds=3)[-1].widths

    ratios = [now / was for now, was in zip(widths[1:-1], DEMO[1:-1], strict=True)]
    assert max(ratios) - min(ratios) < 0.02


def test_rounds_remove_equal_shares_of_what_is_left() -> None:
    plans = plan_mlp(DEMO, target=0.784, rounds=3)

    assert [plan.requested for plan in plans] == pytest.approx([0.4, 0.64, 0.784])
    for plan in plans:
        assert plan.achieved == pytest.approx(plan.requested, abs=0.01)


@given(large_mlps, targets, st.integers(1, 4))
def test_large_networks_meet_any_target_within_tolerance(
    widths: tuple[int, ...], target: float, rounds: int
) -> None:
    plans = plan_mlp(widths, target=target, rounds=rounds)

    assert_sound(plans, widths, target)
    assert abs(plans[-1].achieved - target) <= 0.003


@given(small_mlps, st.floats(0.01, 0.99), st.integers(1, 6), st.integers(1, 8))
def test_any_network_gets_a_sound_plan_or_a_clear_refusal(
    widths: tuple[int, ...], target: float, rounds: int, round_to: int
) -> None:
    try:
        plans = plan_mlp(widths, target=target, rounds=rounds, round_to=round_to)
    except PruningError as exc:
        hidden = "-".join(map(str, widths[1:-1]))
        assert hidden in str(exc) or "--target" in str(exc)  # noqa: PT017
        return
    assert_sound(plans, widths, target)
    if round_to == 1:
        assert abs(plans[-1].achieved - target) <= 0.003


@given(small_mlps | large_mlps, targets, st.integers(1, 3), st.sampled_from([2, 4, 8, 16]))
def test_rounded_widths_are_multiples_and_narrower_layers_stay(
    widths: tuple[int, ...], target: float, rounds: int, round_to: int
) -> None:
    try:
        plans = plan_mlp(widths, target=target, rounds=rounds, round_to=round_to)
    except PruningError:
        assume(False)
    for plan in plans:
        for was, now in zip(widths[1:-1], plan.widths[1:-1], strict=True):
            assert now % round_to == 0 or (now == was < round_to)


@given(small_mlps, st.floats(0.05, 0.9))
def test_suggested_target_is_accepted(widths: tuple[int, ...], target: float) -> None:
    try:
        plan_mlp(widths, target=target, rounds=1)
    except PruningError as exc:
        suggested = re.search(r"--target (\d\.\d+)", str(exc))
        assume(suggested is not None and 0 < float(suggested[1]) < 1)
        assert suggested is not None
        assert plan_mlp(widths, target=float(suggested[1]), rounds=1)


def test_rounding_gives_the_nearest_reachable_widths() -> None:
    plans = plan_mlp(DEMO, target=0.685, rounds=3, round_to=8)

    assert all(width % 8 == 0 for plan in plans for width in plan.widths[1:-1])
    distance = abs(plans[-1].achieved - 0.685)
    for index, step in itertools.product(range(1, 5), (-8, 8)):
        other = list(plans[-1].widths)
        other[index] += step
        gone = 1 - count_parameters(other) / count_parameters(DEMO)
        assert abs(gone - 0.685) >= distance or distance < 0.0005


def test_wider_tolerance_accepts_what_a_small_network_reaches() -> None:
    with pytest.raises(PruningError, match=r"not 50\.00% within 0\.30%.*a wider --tolerance"):
        plan_mlp((4, 5, 2), target=0.5, rounds=1)

    (plan,) = plan_mlp((4, 5, 2), target=0.5, rounds=1, tolerance=None)

    assert plan.achieved == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("target", [0.0, 1.0, 1.2, -0.5, 68.5, float("nan")])
def test_target_that_is_no_share_is_refused(target: float) -> None:
    with pytest.raises(PruningError, match="above 0 and below 1; got") as caught:
        plan_mlp(DEMO, target=target, rounds=3)
    assert f"got {target:g}" in str(caught.value)


@pytest.mark.parametrize("rounds", [7, 1000])
def test_more_rounds_than_neurons_are_refused(rounds: int) -> None:
    with pytest.raises(
        PruningError, match=f"{rounds} rounds asked for; layers of widths 4-4 allow 1 to 6"
    ):
        plan_mlp((3, 4, 4, 1), target=0.5, rounds=rounds)


@pytest.mark.parametrize("rounds", [0, -1])
def test_fewer_rounds_than_one_are_refused(rounds: int) -> None:
    with pytest.raises(PruningError, match=f"{rounds} rounds asked for; expected at least 1"):
        plan_mlp((3, 4, 4, 1), target=0.5, rounds=rounds)


def test_rounds_that_would_remove_nothing_are_refused() -> None:
    with pytest.raises(PruningError, match=r"would remove no channel .*fewer rounds or a higher"):
        plan_mlp((3, 64, 1), target=0.05, rounds=40)


def test_target_beyond_the_smallest_network_is_refused_with_what_is_reachable() -> None:
    with pytest.raises(PruningError) as caught:
        plan_mlp((100, 4, 1), target=0.9, rounds=1)

    assert "90.0% of the parameters cannot be removed: at most 74.8% can" in str(caught.value)
    assert "'layer 1' holds 24.7%" in str(caught.value)
    assert plan_mlp((100, 4, 1), target=0.748, rounds=1)[0].widths == (100, 1, 1)


def test_network_without_a_hidden_layer_is_refused() -> None:
    with pytest.raises(PruningError, match="no layer of the network can be pruned"):
        plan_mlp((18, 2), target=0.5, rounds=1)


@pytest.mark.parametrize("round_to", [0, -8])
def test_rounding_below_one_is_refused(round_to: int) -> None:
    with pytest.raises(PruningError, match=f"--round-to must be at least 1, got {round_to}"):
        plan_mlp(DEMO, target=0.5, rounds=1, round_to=round_to)


@pytest.mark.parametrize(
    ("widths", "target"), [((3, 8, 8, 4, 9, 2), 0.242), ((2, 6, 5, 8, 1), 0.292)]
)
def test_small_network_that_needs_three_layers_to_move_meets_its_target(
    widths: tuple[int, ...], target: float
) -> None:
    (plan,) = plan_mlp(widths, target=target, rounds=1)

    assert abs(plan.achieved - target) <= 0.003
