"""Plans of networks that are no plain MLPs; those of MLPs are in test_mlp_plan.py."""

import functools
import itertools
import math
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import LeftAlone
from spinn_edge.models.cutting import cut
from spinn_edge.pruning.targets.amounts import Term, amount_of, count_amount, measure_amount
from spinn_edge.pruning.targets.flops import even_plans
from spinn_edge.pruning.targets.limits import Limits, bounds
from spinn_edge.pruning.targets.plan import equal_shares, plan_rounds
from tests.unit.pruning.targets.hand_graphs import CASES, graph, group

targets = st.floats(0.05, 0.95)


@functools.cache
def case_of(name):
    return CASES[name]()


@functools.cache
def amount(name, by):
    case = case_of(name)
    return measure_amount(by, case.module, case.graph, case.example)


@st.composite
def synthetic(draw):
    """Return a chain of groups with blocks, some tensors of which nobody cuts."""
    channels = draw(
        st.lists(st.tuples(st.integers(1, 60), st.integers(1, 4)), min_size=1, max_size=7)
    )
    widths = [per_block * blocks for per_block, blocks in channels]
    groups, terms = [], [Term(tensor="fixed", shape=(draw(st.integers(0, 500)),), scale=1)]
    for number, (width, following) in enumerate(itertools.pairwise([*widths, 3])):
        terms.append(Term(tensor=f"{number}.bias", shape=(width,), scale=1))
        terms.append(Term(tensor=f"{number + 1}.weight", shape=(following, width), scale=1))
        places = [f"{number}.bias:0", f"{number + 1}.weight:1"]
        if number:
            places.append(f"{number}.weight:0")
        groups.append(group(str(number), width, *places, blocks=channels[number][1]))
    made = graph(*groups)
    return made, amount_of("parameters", terms, made)


def assert_within(plans, made, limits, original):
    found = bounds(made, limits)
    for before, after in itertools.pairwise([original, *(plan.widths for plan in plans)]):
        assert before != after
        for bound, wide, narrow, item in zip(found, before, after, made.groups, strict=True):
            assert narrow <= wide
            assert narrow >= bound.floor
            assert narrow % item.blocks == 0
            assert narrow % bound.step == 0 or narrow == item.channels
    for bound, width in zip(found, plans[-1].widths, strict=True):
        assert bound.floor <= width <= bound.ceiling


@given(synthetic(), targets, st.integers(1, 4), st.sampled_from([1, 1, 2, 8]), st.integers(1, 5))
def test_any_network_gets_a_sound_plan_or_a_clear_refusal(
    network, target, rounds, round_to, minimum
):
    made, whole = network
    limits = Limits(round_to=round_to, minimum=minimum)
    original = whole.original
    tolerance = 0.003 if round_to == 1 else None
    try:
        found = bounds(made, limits)
        plans = plan_rounds(
            whole, original, found, shares=equal_shares(target, rounds), tolerance=tolerance
        )
    except PruningError as exc:
        assert re.search("ask for|Ask for|rounds asked for|the widest", str(exc))  # noqa: PT017
        return
    assert_within(plans, made, limits, original)
    assert [plan.requested for plan in plans] == list(equal_shares(target, rounds))
    for plan in plans:
        assert plan.amount == whole(plan.widths)
        assert plan.achieved == pytest.approx(1 - plan.amount / whole.total, abs=1e-12)
    if tolerance is not None:
        assert abs(plans[-1].achieved - target) <= tolerance


@given(synthetic(), targets)
def test_target_is_refused_only_where_no_widths_at_all_meet_it(network, target):
    made, whole = network
    found = bounds(made, Limits())
    ranges = [range(bound.floor, bound.ceiling + 1, bound.step) for bound in found]
    assume(math.prod(map(len, ranges)) <= 20_000)
    reached = 1 - whole.each(list(itertools.product(*ranges))) / whole.total
    nearest = abs(reached - target).min()
    assume(abs(nearest - 0.003) > 1e-9)
    try:
        plan_rounds(whole, whole.original, found, shares=(target,), tolerance=0.003)
    except PruningError as exc:
        none_goes = "no channel from" in str(exc)  # the network as it is would be near enough
        assert nearest > 0.003 or none_goes
    else:
        assert nearest <= 0.003


@given(synthetic(), st.floats(0.1, 0.85), st.floats(0.02, 0.1))
def test_higher_target_removes_more(network, target, more):
    made, whole = network
    found = bounds(made, Limits())
    try:
        less, most = (
            plan_rounds(whole, whole.original, found, shares=(share,))[-1]
            for share in (target, target + more)
        )
    except PruningError:
        assume(False)
    assert most.amount < less.amount


@pytest.mark.parametrize("by", ["parameters", "bytes", "flops"])
@pytest.mark.parametrize("name", ["cnn", "attention", "unet"])
@pytest.mark.parametrize("target", [0.3, 0.6])
def test_achieved_is_what_is_counted_on_the_cut_network(name, by, target):
    case = case_of(name)

    plans = plan_rounds(
        amount(name, by), case.original, case.bounds(), shares=equal_shares(target, 3)
    )

    before = count_amount(by, case.module, case.example)
    for plan in plans:
        small = cut(case.module, even_plans(case.graph.groups, plan.widths))
        after = count_amount(by, small, case.example)
        assert plan.amount == after
        assert plan.achieved == pytest.approx(1 - after / before)
    assert abs(plans[-1].achieved - target) <= 0.003
    assert_within(plans, case.graph, Limits(), case.original)


def test_sixty_groups_keep_near_the_same_ratio():
    widths = [48 + 16 * (number % 5) for number in range(60)]
    terms = [
        Term(tensor=f"{n}.weight", shape=(b, a), scale=1)
        for n, (a, b) in enumerate(itertools.pairwise([3, *widths, 2]))
    ]
    made = graph(
        *(group(str(n), w, f"{n}.weight:0", f"{n + 1}.weight:1") for n, w in enumerate(widths))
    )
    whole = amount_of("parameters", terms, made)

    plans = plan_rounds(
        whole, widths, bounds(made, Limits()), shares=equal_shares(0.8, 5), tolerance=0.001
    )

    assert abs(plans[-1].achieved - 0.8) <= 0.001
    ratios = [now / was for now, was in zip(plans[-1].widths, widths, strict=True)]
    assert max(ratios) - min(ratios) < 0.04


def test_protected_layer_keeps_its_width_in_every_round():
    case = case_of("cnn")
    found = case.bounds(protected=("body.4",))

    plans = plan_rounds(amount("cnn", "parameters"), case.original, found, shares=(0.2, 0.4))

    assert [plan.widths[1] for plan in plans] == [20, 20]
    assert abs(plans[-1].achieved - 0.4) <= 0.003


def test_layer_with_a_ratio_of_its_own_gets_there_by_and_by():
    case = case_of("cnn")
    found = case.bounds(keep={"fc": 0.25})

    plans = plan_rounds(
        amount("cnn", "parameters"), case.original, found, shares=equal_shares(0.8, 3)
    )

    widths = [plan.widths[2] for plan in plans]
    assert widths[-1] == 6
    assert 24 > widths[0] > widths[1] > 6
    assert abs(plans[-1].achieved - 0.8) <= 0.003


def test_uniform_rest_makes_up_for_what_named_layers_keep():
    case = case_of("cnn")
    whole = amount("cnn", "parameters")
    plain, kept = (
        plan_rounds(whole, case.original, case.bounds(keep=keep), shares=(0.6,))[-1]
        for keep in ({}, {"fc": 0.9})
    )
    assert kept.widths[2] == 22 > plain.widths[2]
    assert kept.widths[1] < plain.widths[1]


def test_shares_of_a_schedule_are_met_round_by_round():
    case = case_of("cnn")
    shares = (0.3, 0.51, 0.608, 0.6864)

    plans = plan_rounds(amount("cnn", "parameters"), case.original, case.bounds(), shares=shares)

    assert tuple(plan.requested for plan in plans) == shares
    for plan in plans:
        assert plan.achieved == pytest.approx(plan.requested, abs=0.05)
    assert abs(plans[-1].achieved - 0.6864) <= 0.003


def test_equal_shares_leave_the_same_ratio_each_round():
    assert equal_shares(0.784, 3) == pytest.approx((0.4, 0.64, 0.784))
    assert equal_shares(0.3, 7)[-1] == 0.3  # not 0.30000000000000004


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1, 68.5, math.nan, math.inf])
def test_target_that_is_no_share_is_refused(target):
    case = case_of("cnn")
    with pytest.raises(PruningError, match="above 0 and below 1; got"):
        equal_shares(target, 1)
    with pytest.raises(PruningError, match="above 0 and below 1; got"):
        plan_rounds(amount("cnn", "parameters"), case.original, case.bounds(), shares=(target,))


@pytest.mark.parametrize("shares", [(0.5, 0.4), (0.3, 0.3)])
def test_shares_that_do_not_rise_are_refused(shares):
    case = case_of("cnn")
    with pytest.raises(PruningError, match=r"must rise; got 0\.\d"):
        plan_rounds(amount("cnn", "parameters"), case.original, case.bounds(), shares=shares)


def test_plan_without_a_round_is_refused():
    case = case_of("cnn")
    with pytest.raises(PruningError, match="0 rounds asked for; expected at least 1"):
        plan_rounds(amount("cnn", "parameters"), case.original, case.bounds(), shares=())


def test_more_rounds_than_steps_of_removal_are_refused():
    made = graph(group("q", 12, "q:0", blocks=4))
    whole = amount_of("parameters", [Term(tensor="q", shape=(12,), scale=1)], made)
    with pytest.raises(PruningError, match="3 rounds asked for; layers of widths 12 allow 1 to 2"):
        plan_rounds(whole, (12,), bounds(made, Limits()), shares=(0.1, 0.2, 0.3))


def holding(left_alone="", fixed=380, cut_=620):
    made = graph(
        group("body", cut_, "body.weight:0"),
        left_alone=[LeftAlone(name=left_alone, reason="shape written out")] if left_alone else [],
    )
    terms = [
        Term(tensor="body.weight", shape=(cut_,), scale=1),
        Term(tensor="embed.weight", shape=(fixed,), scale=1),
    ]
    return made, amount_of("parameters", terms, made)


def test_layer_that_is_left_alone_is_named_where_it_holds_the_rest():
    made, whole = holding("embed")
    with pytest.raises(PruningError) as caught:
        plan_rounds(whole, (620,), bounds(made, Limits()), shares=(0.7,))
    assert (
        "70.0% of the parameters cannot be removed: at most 61.9% can, with layers at 1; "
        "'embed' (left alone: shape written out) holds 38.0%. Ask for --target 0.619 or less"
    ) in str(caught.value)
    assert plan_rounds(whole, (620,), bounds(made, Limits()), shares=(0.619,))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"protected": ("body",)}, r"at most 0\.0% can.* 'body' \(protected\) holds 62\.0%"),
        (
            {"minimum": 310},
            r"at most 31\.0% can.*'embed' holds 38\.0%, 'body' \(keeps at least 310",
        ),
        ({"keep": {"body": 310}}, r"at most 31\.0% can.*'body' \(keeps 310 as asked for\) holds"),
    ],
)
def test_limit_that_makes_a_target_unreachable_is_named(limits, words):
    made, whole = holding()
    with pytest.raises(PruningError, match=words):
        plan_rounds(whole, (620,), bounds(made, Limits(**limits)), shares=(0.5,))


@pytest.mark.parametrize("tolerance", [0.003, None])
def test_settled_widths_that_remove_more_than_the_target_are_refused(tolerance):
    made, whole = holding()
    found = bounds(made, Limits(keep={"body": 0.5}))
    with pytest.raises(PruningError, match=r"10\.0% .* are to be removed, but .* remove 31\.0%"):
        plan_rounds(whole, (620,), found, shares=(0.1,), tolerance=tolerance)
    assert plan_rounds(whole, (620,), found, shares=(0.31,), tolerance=tolerance)


def test_network_of_which_nothing_can_be_pruned_is_refused_with_the_reason():
    _, whole = holding()
    alone = graph(left_alone=[LeftAlone(name="gru", reason="a loop")])
    nothing = amount_of("parameters", [Term(tensor="gru.w", shape=(9,), scale=1)], alone)
    assert whole.total == 1000
    with pytest.raises(PruningError, match=r"no layer .* can be pruned \('gru': a loop\)"):
        plan_rounds(nothing, (), (), shares=(0.5,))


def test_widths_of_many_layers_are_told_in_short():
    made = graph(*(group(str(n), 5, f"{n}:0") for n in range(40)))
    terms = [Term(tensor=str(n), shape=(5,), scale=1) for n in range(40)]
    whole = amount_of("parameters", terms, made)
    with pytest.raises(PruningError, match=r"layers at 1 to 1 \(40 layers\)"):
        plan_rounds(whole, (5,) * 40, bounds(made, Limits()), shares=(0.9,))
