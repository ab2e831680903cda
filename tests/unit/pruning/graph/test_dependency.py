import pytest
import torch
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.models.cutting import cut
from spinn_edge.pruning.graph.exactness import prove_exact
from spinn_edge.pruning.graph.find import find_groups
from spinn_edge.pruning.graph.groups import Group
from spinn_edge.pruning.graph.proving import prove_groups, random_plan
from tests.unit.pruning.graph import networks


def seeded(make, *args):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(*args).eval()


def proven(network, *example):
    """Return groups by name as (channels, blocks), cut together once more by another choice."""
    graph = find_groups(network, example)
    plans = [random_plan(group, share=0.4, seed=9) for group in graph.groups]
    prove_exact(network, cut(network, plans), plans, example)
    return {group.name: (group.channels, group.blocks) for group in graph.groups}


def reasons(network, *example):
    return {one.name: one.reason for one in find_groups(network, example).left_alone}


def test_values_of_attention_go_where_queries_and_keys_cannot():
    network, x = seeded(networks.Attention), torch.randn(2, 7, 16)

    assert proven(network, x) == {"v": (16, 4), "o": (16, 1)}
    left = reasons(network, x)
    assert left.keys() == {"q", "k", "head"}
    assert "its forward mixes channels" in left["q"]


@pytest.mark.parametrize("way", ["chunk", "unbind", "index"])
def test_queries_keys_and_values_of_one_layer_go_together(way):
    network = seeded(networks.PackedAttention, way)

    assert proven(network, torch.randn(2, 7, 16)) == {"qkv": (16, 4), "o": (16, 1)}


@pytest.mark.parametrize("way", ["glu", "split", "chunk"])
def test_halves_of_a_gated_unit_go_together_and_a_concatenation_is_followed(way):
    network = seeded(networks.GatedTokens, way)

    assert proven(network, torch.randn(2, 7, 5)) == {
        "embed": (12, 1),
        "wide": (20, 1),
        "back": (12, 1),
    }


def test_channels_that_a_sum_ends_are_no_output():
    network = seeded(networks.DeepONet)

    assert proven(network, torch.randn(2, 7), torch.randn(2, 2)) == {
        "branch.0": (20, 1),
        "branch.2+trunk.2": (12, 1),
        "trunk.0": (20, 1),
    }


def test_tensors_that_no_graph_sees_are_found_by_their_size():
    network = seeded(networks.Stray)
    (group,) = find_groups(network, (torch.randn(2, 3),)).groups

    assert {(c.tensor, c.dim) for c in group.cuts if c.role == "channel"} == {
        ("scale", 0),
        ("shift", 1),
        ("columns", 0),
    }
    assert proven(network, torch.randn(2, 3)) == {"make": (8, 1)}


def test_norms_without_weights_are_cut_and_a_norm_of_the_inputs_stays():
    network, x = seeded(networks.WeightlessNorms), torch.randn(2, 3)

    assert proven(network, x) == {"a": (8, 1), "b": (10, 1)}
    assert reasons(network, x)["inputs"].startswith("its channels are the network's inputs")


def test_a_grouped_convolution_keeps_its_inputs_and_as_many_outputs_of_each_group():
    network, x = seeded(networks.GroupedConvolution), torch.randn(2, 4, 6, 6)

    assert proven(network, x) == {"grouped": (12, 4), "b": (6, 1)}
    assert "'grouped' is a grouped convolution" in reasons(network, x)["a"]


def test_a_slice_with_a_number_in_it_is_never_silently_wrong():
    network = seeded(networks.Sliced)

    found = proven(network, torch.randn(2, 3))

    assert "left+right" in found
    assert all(channels != 9 for channels, _ in found.values())


def test_parts_of_one_layer_are_groups_of_their_own():
    network = seeded(networks.Shared)

    assert proven(network, torch.randn(2, 3)) == {
        "a": (5, 1),
        "a#2": (7, 1),
        "left+right": (10, 1),
    }


def test_groups_that_do_not_go_together_leave_the_later_one_alone():
    network, x = seeded(networks.Jealous), torch.randn(2, 3)

    assert proven(network, x) == {"a": (8, 1)}
    assert "it cannot be cut along with the others: the smaller" in reasons(network, x)["b"]


def test_tied_weights_are_cut_once():
    network, x = seeded(networks.Tied), torch.randint(11, (2, 6))

    assert proven(network, x) == {"embed+a": (12, 1)}
    (group,) = find_groups(network, (x,)).groups
    small = cut(network, [group.plan([0, 5])])
    assert small.head.weight is small.embed.weight


def test_attention_across_two_inputs_is_followed():
    network = seeded(networks.Decoder)

    found = proven(network, torch.randn(2, 7, 3), torch.randn(2, 5, 4))

    assert found == {
        "a+b+layer.self_attn+layer.multihead_attn+layer.linear2": (16, 2),
        "layer.linear1": (32, 1),
    }


def test_inputs_beside_hidden_channels_shift_them():
    network = seeded(networks.Skips)

    found = proven(network, torch.randn(2, 3), torch.randn(2, 2))

    assert found == {"a": (8, 1), "b": (10, 1), "c": (6, 1)}


def test_a_concatenation_that_is_flattened_is_followed():
    network = seeded(networks.TwoConvolutions)

    assert proven(network, torch.randn(2, 2, 4, 4)) == {"a": (6, 1), "b": (4, 1)}


def test_hidden_channels_that_are_an_output_stay():
    network, x = seeded(networks.Exposed), torch.randn(2, 3)

    assert proven(network, x) == {"b": (6, 1)}
    assert reasons(network, x) == dict.fromkeys(["a", "head"], "it makes the network's output")


def test_a_forward_that_differentiates_itself_is_left_alone_in_words():
    network, x = seeded(networks.SelfDifferentiating), torch.randn(2, 2)

    assert proven(network, x) == {}
    left = reasons(network, x)
    assert left.keys() == {"layers.0", "layers.2"}
    assert "in an order that cannot be followed" in left["layers.0"]


def test_what_torch_pruning_cannot_trace_is_one_clear_error(monkeypatch):
    def fail(graph, tp):
        raise RecursionError("too deep")

    monkeypatch.setattr("spinn_edge.pruning.graph.tracing.map_more", fail)

    with pytest.raises(PruningError, match="torch-pruning cannot trace the network"):
        find_groups(seeded(networks.Tied), (torch.randint(11, (2, 6)),))


def test_attention_with_keys_of_another_size_is_left_alone():
    memory = torch.randn(2, 5, 4)
    equal, other = (seeded(networks.OtherKeys, size) for size in (8, 6))

    assert proven(equal, torch.randn(2, 7, 3), memory) == {"a+b+attention": (8, 2)}
    left = reasons(other, torch.randn(2, 7, 3), memory)
    assert left.keys() == {"a", "b", "attention", "head"}
    assert left["a"] == "'attention' is attention whose keys or values have a size of their own"


def test_halves_that_change_places_are_left_alone_and_the_rest_is_followed():
    network, x = seeded(networks.Swapped), torch.rand(2, 3)

    assert proven(network, x) == {"b": (6, 1)}
    assert "in an order that a plan cannot say" in reasons(network, x)["a"]


def test_weights_that_are_zero_do_not_let_a_wrong_group_pass():
    network, x = seeded(networks.ZeroInitialised), torch.randn(2, 3)

    assert proven(network, x) == {"b": (4, 1)}
    assert "its forward mixes channels" in reasons(network, x)["a"]


def test_a_weight_computed_from_others_is_left_alone_with_its_neighbour():
    network, x = seeded(networks.WeightNormed), torch.randn(2, 3)

    assert proven(network, x) == {"c": (16, 1)}
    left = reasons(network, x)
    assert left.keys() == {"a", "b", "d"}
    assert "'b' is computed from other parameters, as by weight norm" in left["a"]
    assert left["a"] == left["b"]


def test_every_layer_that_stays_says_why():
    network, x = seeded(networks.Odd), torch.randn(2, 9, 4)

    assert proven(network, x) == {"wide": (9, 1)}
    left = reasons(network, x)
    assert left.keys() == {"back", "into", "lstm", "unused", "head", "gain"}
    assert left["into"] == left["lstm"] == "'lstm' is a LSTM, whose state goes from step to step"
    assert "does not run" in left["back"]
    assert left["unused"] == "the network does not call it"


@pytest.mark.parametrize(
    ("network", "example", "message"),
    [
        (networks.Branching, (3,), "calls 'b' for some inputs and not for others"),
        (networks.Hidden, (3,), "a forward under torch.no_grad"),
        (networks.Stray, (5,), "does not run on the example inputs (RuntimeError: mat1 and mat2"),
    ],
)
def test_a_network_that_cannot_be_traced_is_one_clear_error(network, example, message):
    with pytest.raises(PruningError) as caught:
        find_groups(seeded(network), (torch.rand(2, *example),))
    assert message in str(caught.value)


def test_blocks_of_one_channel_cannot_lose_any():
    network = nn.Sequential(nn.Linear(3, 6), nn.GroupNorm(6, 6), nn.Linear(6, 2))

    left = reasons(network, torch.randn(2, 3))

    assert left["0"] == left["1"] == "its 6 channels stand in 6 blocks: none can go"


def test_blocks_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(PruningError, match="its 6 channels stand in 4 blocks"):
        prove_groups(nn.Identity(), [Group(name="a", channels=6, cuts=(), blocks=4)], ())
