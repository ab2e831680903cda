import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import LeftAlone
from spinn_edge.pruning.targets.limits import Bound, Limits, bounds
from tests.unit.pruning.targets.hand_graphs import graph, group

GRAPH = graph(
    group("encoder.first", 32),
    group("encoder.second+encoder.skip", 20),
    group("heads", 24, blocks=4),
    left_alone=[LeftAlone(name="gru", reason="its state goes from step to step")],
)


def ranges(**limits):
    return [(b.floor, b.ceiling, b.step) for b in bounds(GRAPH, Limits(**limits))]


def test_without_limits_every_block_keeps_at_least_one_channel():
    assert ranges() == [(1, 32, 1), (1, 20, 1), (4, 24, 4)]


def test_rounding_makes_steps_that_blocks_divide_too():
    assert ranges(round_to=8) == [(8, 32, 8), (8, 16, 8), (8, 24, 8)]
    assert ranges(round_to=6) == [(6, 30, 6), (6, 18, 6), (12, 24, 12)]


def test_group_narrower_than_a_step_stays_as_it_is():
    assert ranges(round_to=32) == [(32, 32, 32), (20, 20, 1), (24, 24, 1)]
    assert bounds(GRAPH, Limits(round_to=32))[1].reason == "narrower than a step of 32"


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (("encoder.first",), [0]),
        (("encoder.skip",), [1]),  # one of the layers of a group
        (("encoder.second+encoder.skip",), [1]),
        (("encoder.*",), [0, 1]),
        (("*",), [0, 1, 2]),
        (("head?",), [2]),
        (("gru", "heads"), [2]),  # left alone anyway
    ],
)
def test_protected_groups_keep_all_their_channels(names, kept):
    found = bounds(GRAPH, Limits(protected=names, round_to=8))
    assert [i for i, b in enumerate(found) if b.reason == "protected"] == kept
    for index in kept:
        channels = GRAPH.groups[index].channels
        assert (found[index].floor, found[index].ceiling) == (channels, channels)


def test_minimum_is_rounded_up_to_a_step_and_leaves_narrower_groups_alone():
    assert ranges(minimum=22) == [(22, 32, 1), (20, 20, 1), (24, 24, 4)]
    assert ranges(minimum=9, round_to=8) == [(16, 32, 8), (16, 16, 8), (16, 24, 8)]
    assert bounds(GRAPH, Limits(minimum=22))[1].reason == "keeps at least 22"


def test_minimum_of_named_layers_leaves_the_others_free():
    assert ranges(minimum={"encoder.*": 10, "encoder.first": 3}) == [
        (3, 32, 1),
        (10, 20, 1),
        (4, 24, 4),
    ]


def test_share_of_a_named_layer_settles_its_width():
    assert ranges(keep={"encoder.first": 0.5, "heads": 0.6}) == [
        (16, 16, 1),
        (1, 20, 1),
        (16, 16, 4),
    ]
    assert ranges(keep={"encoder.first": 0.001})[0] == (1, 1, 1)
    assert ranges(keep={"encoder.skip": 1.0}, round_to=8)[1][:2] == (20, 20)


def test_whole_number_of_a_named_layer_is_its_width():
    assert ranges(keep={"encoder.first": 1, "heads": 8})[::2] == [(1, 1, 1), (8, 8, 4)]
    assert ranges(keep={"heads": 24}, round_to=16)[2][:2] == (24, 24)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"protected": ("conv",)}, "no layer to prune is called 'conv'; known: encoder.first, enc"),
        ({"minimum": {"conv*": 2}}, r"called 'conv\*'"),
        ({"keep": {"gru": 0.5}}, r"'gru' is left alone \(its state goes .*layers to prune: encod"),
        ({"round_to": 0}, "--round-to must be at least 1, got 0"),
        ({"minimum": 0}, "at least 0 channels; expected 1 to 32"),
        ({"minimum": 33}, "at least 33 channels; expected 1 to 32, the widest"),
        ({"minimum": {"heads": 25}}, "'heads' shall keep at least 25 channels; it has 24"),
        ({"minimum": {"heads": 0}}, "at least 0 channels; it has 24, expected 1 to 24"),
        ({"keep": {"heads": 0.0}}, r"share of 0; expected above 0 and up to 1\.0"),
        ({"keep": {"heads": 1.5}}, r"share of 1\.5; expected above 0"),
        ({"keep": {"heads": float("nan")}}, "share of nan"),
        ({"keep": {"heads": 10}}, "steps of 4; ask for 8"),
        ({"keep": {"heads": 28}}, "keep 28 channels; it has 24, and can keep 4 to 24"),
        ({"keep": {"heads": 4}, "minimum": 8}, r"can keep 8 to 24 \(keeps at least 8\)"),
        ({"keep": {"heads": 8}, "protected": ("h*",)}, "'heads' is protected, and shall keep 8"),
        (
            {"keep": {"encoder.second": 0.5, "encoder.skip": 0.4}},
            "'encoder.second' and 'encoder.skip' both mean the layers",
        ),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits, words):
    with pytest.raises(PruningError, match=words):
        bounds(GRAPH, Limits(**limits))


def test_exact_name_comes_before_a_pattern():
    assert ranges(keep={"*": 0.5, "heads": 1.0}) == [(16, 16, 1), (10, 10, 1), (24, 24, 4)]


@given(
    st.integers(1, 200),
    st.integers(1, 6),
    st.integers(1, 16),
    st.integers(1, 300),
)
def test_bounds_are_widths_that_the_group_can_have(per_block, blocks, round_to, minimum):
    channels = per_block * blocks
    one = graph(group("a", channels, blocks=blocks))
    if minimum > channels:
        with pytest.raises(PruningError, match="the widest layer"):
            bounds(one, Limits(round_to=round_to, minimum=minimum))
        return
    (bound,) = bounds(one, Limits(round_to=round_to, minimum=minimum))

    assert isinstance(bound, Bound)
    assert 1 <= bound.floor <= bound.ceiling <= channels
    assert bound.floor >= minimum
    assert bound.floor % blocks == bound.ceiling % blocks == bound.step % blocks * 0
    if bound.floor < bound.ceiling:
        assert bound.floor % round_to == bound.ceiling % round_to == 0
        assert channels - bound.ceiling < bound.step
    else:
        assert bound.ceiling == channels or bound.ceiling % round_to == 0
