import functools
import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.core.errors import PruningError
from spinn_edge.models.cutting import cut
from spinn_edge.pruning.targets.allocation import allocate_global
from spinn_edge.pruning.targets.amounts import Term, amount_of, count_amount, measure_amount
from spinn_edge.pruning.targets.flops import even_plans
from spinn_edge.pruning.targets.limits import Limits, bounds
from tests.unit.pruning.targets.hand_graphs import CASES, composed_case, graph, group


@functools.cache
def case_of(name):
    return CASES[name]()


@functools.cache
def amount(name):
    case = case_of(name)
    return measure_amount("parameters", case.module, case.graph, case.example)


def separate(*widths, blocks=1, size=1):
    """Return groups whose channels all cost the same, and the quantity."""
    made = graph(*(group(str(n), w, f"{n}:0", blocks=blocks) for n, w in enumerate(widths)))
    terms = [Term(tensor=str(n), shape=(w, size), scale=1) for n, w in enumerate(widths)]
    return made, amount_of("parameters", terms, made)


def allocate(scores, made, whole, goal, tolerance=0.003, **limits):
    original = [len(values) for values in scores]
    found = bounds(made, Limits(**limits))
    return allocate_global(scores, whole, original, found, goal, tolerance=tolerance)


def test_least_important_channels_go_whichever_layer_they_are_in():
    made, whole = separate(4, 4)
    scores = [[1.0, 9.0, 8.0, 7.0], [1.0, 2.0, 10.0, 12.0]]

    assert allocate(scores, made, whole, 5) == (3, 2)


def test_scale_of_a_layers_scores_does_not_matter():
    made, whole = separate(4, 4)
    scores = [[1.0, 9.0, 8.0, 7.0], [1e-6, 2e-6, 1e-5, 1.2e-5]]

    assert allocate(scores, made, whole, 5) == (3, 2)


def test_equal_scores_fall_in_order_of_the_layers():
    made, whole = separate(4, 4)
    scores = [[1.0] * 4, [1.0] * 4]

    assert [allocate(scores, made, whole, goal) for goal in (7, 5, 4)] == [(3, 4), (1, 4), (1, 3)]


def test_layer_of_zeros_goes_first():
    made, whole = separate(4, 4)
    assert allocate([[1.0, 2.0, 3.0, 4.0], [0.0] * 4], made, whole, 5) == (4, 1)


def test_blocks_lose_their_lowest_together():
    made, whole = separate(6, 6, blocks=2)
    low_in_one_block = [0.0, 0.0, 9.0, 9.0, 9.0, 9.0]  # the pair of lowest is (0, 9)
    even = [3.0, 6.0, 9.0, 3.0, 6.0, 9.0]

    assert allocate([low_in_one_block, even], made, whole, 10) == (6, 4)


def test_steps_are_ranked_by_their_mean():
    made, whole = separate(8, 8)
    one_low = [0.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0]
    both_low = [2.0, 2.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0]

    assert allocate([one_low, both_low], made, whole, 14, round_to=2) == (8, 6)


def test_protected_layers_and_minimum_widths_are_kept():
    made, whole = separate(4, 4, 4)
    scores = [[0.0] * 4, [0.1, 0.2, 0.3, 4.0], [3.0, 3.1, 3.2, 3.3]]

    widths = allocate(scores, made, whole, 8, protected=("0",), minimum={"1": 3})

    assert widths == (4, 3, 1)


def test_later_round_starts_from_the_widths_that_are_left():
    made, whole = separate(8, 8)
    scores = [[1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 9.0, 9.0, 9.0]]

    assert allocate(scores, made, whole, 7) == (4, 3)


@given(
    st.sampled_from(["cnn", "attention", "unet", "mlp"]),
    st.floats(0.1, 0.9),
    st.integers(0, 1000),
    st.sampled_from([1, 1, 4]),
)
def test_allocation_meets_the_goal_within_the_bounds_or_says_why_not(name, target, seed, round_to):
    case, whole = case_of(name), amount(name)
    numbers = itertools.cycle(((seed * 7919 + k * 104729) % 997) / 997 for k in range(991))
    scores = [list(itertools.islice(numbers, width)) for width in case.original]
    limits = {"round_to": round_to}
    tolerance = 0.003 if round_to == 1 else None
    goal = (1 - target) * whole.total
    try:
        widths = allocate(scores, case.graph, whole, goal, tolerance, **limits)
    except PruningError as exc:
        assert re.search("[Aa]sk for --target", str(exc))  # noqa: PT017
        return

    small = cut(case.module, even_plans(case.graph.groups, widths))
    left = count_amount("parameters", small, case.example)
    assert whole(widths) == left
    if tolerance is not None:
        assert abs(left - goal) <= tolerance * whole.total
    for bound, width in zip(case.bounds(**limits), widths, strict=True):
        assert bound.floor <= width <= bound.ceiling
        assert width % bound.step == 0
    assert widths == allocate(scores, case.graph, whole, goal, tolerance, **limits)


def test_goal_is_met_by_the_true_count_where_widths_do_not_say_it():
    case = composed_case()
    whole = measure_amount("flops", case.module, case.graph, case.example)
    scores = [[float(k % 7 + 1) for k in range(width)] for width in case.original]

    widths = allocate(scores, case.graph, whole, 0.5 * whole.total)

    small = cut(case.module, even_plans(case.graph.groups, widths))
    assert abs(count_amount("flops", small, case.example) / whole.total - 0.5) <= 0.003


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_score_that_is_not_finite_is_refused(bad):
    made, whole = separate(3, 2)
    with pytest.raises(PruningError, match="a score of group 2 is not finite"):
        allocate([[1.0, 2.0, 3.0], [1.0, bad]], made, whole, 3)


def test_scores_that_are_too_few_are_refused():
    made, whole = separate(3)
    with pytest.raises(PruningError, match="group 1 has 3 channels but 2 scores"):
        allocate_global([[1.0, 2.0]], whole, (3,), bounds(made, Limits()), 2)


def test_goal_beyond_the_bounds_is_refused_with_what_can_be_reached():
    made, whole = separate(10, 10)
    scores = [[1.0] * 10, [1.0] * 10]
    with pytest.raises(PruningError, match=r"at most 50\.0% can.*'0' \(keeps at least 5\) holds"):
        allocate(scores, made, whole, 2, minimum=5)


def test_goal_between_two_steps_is_refused_with_what_is_near():
    made, whole = separate(10)
    with pytest.raises(PruningError, match=r"reach 20\.00% \(8\), not 25\.00%.*--target 0\.2000"):
        allocate([[float(k) for k in range(10)]], made, whole, 7.5)
    assert allocate([[float(k) for k in range(10)]], made, whole, 7.5, tolerance=None) == (8,)
