import copy
import itertools
import sys
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spinn_edge.core.errors import MissingDependencyError
from spinn_edge.models.cutting import cut
from spinn_edge.models.modules import MLP
from spinn_edge.pruning.graph.calls import count_calls
from spinn_edge.pruning.graph.chain import chain_groups
from spinn_edge.pruning.graph.dependency import dependency_groups
from spinn_edge.pruning.graph.exactness import (
    EXACTNESS,
    EXACTNESS_FLOAT32,
    masked_twin,
    prove_exact,
)
from spinn_edge.pruning.graph.find import find_groups
from spinn_edge.pruning.graph.proving import random_plan
from tests.fakes.prunable_networks import FAMILY, SIX


def narrowest(groups):
    """Keep one channel of every block."""
    return [
        group.plan([block * (group.channels // group.blocks) for block in range(group.blocks)])
        for group in groups
    ]


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


GROUPS = {
    "mlp": {"0": 1, "2": 1},
    "residual": {"first+back.0+back.1": 1, "wide.0": 1, "wide.1": 1},
    "gated": {"gate_u+gate_v+hidden.0+hidden.1": 1, "first": 1},
    "fourier": {"layers.0": 1, "layers.2": 1},
    "normed": {"0": 1, "3": 1},
    "cnn": {"body.0": 1, "body.4": 1, "fc": 1},
    "transformer": {"embed+block.self_attn+block.linear2": 4, "block.linear1": 1},
    "attention": {"embed+out+back": 1, "q+k+v": 4, "wide": 1},
    "fixed-heads": {"embed+out+back": 1, "wide": 1},
    "unet": {"enter": 2, "down": 1, "up": 1, "merge": 1},
    "two-outputs": {"left+right": 1, "gated": 1},
    "recurrent": {"hidden": 1},
    "tokens": {"embed+back": 1, "gate+value": 1},
}
"""Names of the groups, and blocks."""


@pytest.fixture(scope="module")
def graphs():
    """What is found in each network; the search is the slow part."""
    return {name: find_groups(one.make(), one.example()) for name, one in FAMILY.items()}


@pytest.mark.parametrize("name", FAMILY)
def test_groups_are_those_that_a_reader_of_the_network_finds(name, graphs):
    found = graphs[name].groups

    assert {group.name: group.blocks for group in found} == GROUPS[name]
    assert [g.name for g in found] == list({group.name: None for group in found})


@pytest.mark.parametrize("name", FAMILY)
def test_small_network_equals_the_masked_one_at_random_and_at_its_narrowest(name, graphs):
    network, example, groups = FAMILY[name].make(), FAMILY[name].example(3), graphs[name].groups
    allowed = EXACTNESS_FLOAT32 if name == "transformer" else EXACTNESS

    for plans in (
        narrowest(groups),
        [random_plan(group, share=0.6, seed=5) for group in groups],
        [random_plan(group, share=0.3, seed=6) for group in groups],
    ):
        assert prove_exact(network, cut(network, plans), plans, example) <= allowed


@pytest.mark.parametrize("name", FAMILY)
def test_float32_networks_agree_to_1e_5_of_scale_as_they_are_deployed(name, graphs):
    network, example, groups = FAMILY[name].make(), FAMILY[name].example(6), graphs[name].groups
    plans = [random_plan(group, share=0.4, seed=3) for group in groups]
    small = cut(network, plans).eval()
    twin = masked_twin(network, plans).eval()

    with torch.no_grad():  # takes the fused path of TransformerEncoderLayer
        expected, got = twin(*example), small(*example)
    pairs = [(expected[key], got[key]) for key in expected] if isinstance(expected, dict) else []
    for one, other in pairs or [(expected, got)]:
        assert (one - other).abs().max() <= 1e-5 * one.abs().max()


@pytest.mark.parametrize("name", SIX)
def test_groups_of_the_six_architectures_hold_nearly_all_parameters(name, graphs):
    network = FAMILY[name].make()

    small = cut(network, narrowest(graphs[name].groups))

    assert count(small) <= 0.05 * count(network)


def test_what_stays_is_named_with_the_reason(graphs):
    left = {
        name: {one.name: one.reason for one in graph.left_alone} for name, graph in graphs.items()
    }

    heads = {"mlp": "4", "fourier": "layers.4", "normed": "7", "unet": "leave"}
    for name in FAMILY.keys() - {"two-outputs", "recurrent", "fixed-heads"}:
        assert left[name] == {heads.get(name, "head"): "it makes the network's output"}
    assert left["two-outputs"].keys() == {"wear", "heat"}
    assert left["recurrent"]["gru"] == "'gru' is a GRU, whose state goes from step to step"
    assert left["fixed-heads"].keys() == {"q", "k", "v", "head"}
    assert "does not run: shape '[8, 7, 4, 4]' is invalid" in left["fixed-heads"]["q"]


@settings(max_examples=15)
@given(hidden=st.lists(st.integers(1, 9), min_size=1, max_size=3), bias=st.booleans())
def test_chain_and_dependency_graph_agree_on_plain_mlps(hidden, bias):
    widths = (3, *hidden, 2)
    layers = [nn.Linear(a, b, bias=bias) for a, b in itertools.pairwise(widths)]
    network = nn.Sequential(*(part for layer in layers for part in (layer, nn.Tanh())))
    example = (torch.zeros(2, 3),)

    traced = dependency_groups(network, example, count_calls(network, example))

    chain = chain_groups(network)
    assert [set(group.cuts) for group in traced.groups] == [set(g.cuts) for g in chain.groups]
    assert [(g.name, g.channels, g.blocks) for g in traced.groups] == [
        (g.name, g.channels, g.blocks) for g in chain.groups
    ]
    assert traced.left_alone == chain.left_alone


def test_a_plain_mlp_needs_no_torch_pruning(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)

    assert len(find_groups(MLP((3, 8, 2), "tanh"), (torch.zeros(1, 3),)).groups) == 1
    with pytest.raises(MissingDependencyError, match="torch_pruning"):
        find_groups(FAMILY["residual"].make(), FAMILY["residual"].example())


def test_the_given_network_is_left_as_it_was():
    network, (x,) = FAMILY["normed"].make().train(), FAMILY["normed"].example(8)
    network(x).sum().backward()
    network.get_parameter("0.weight").requires_grad_(False)
    network.get_submodule("3").register_forward_hook(lambda *_: None)
    before = copy.deepcopy(network.state_dict())
    grads = [None if p.grad is None else p.grad.clone() for p in network.parameters()]
    state = torch.random.get_rng_state()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_groups(network, (x,))

    assert torch.equal(torch.random.get_rng_state(), state)
    assert network.training
    assert all(module.training for module in network.modules())
    assert [p.requires_grad for p in network.parameters()] == [False, *[True] * 9]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    for parameter, grad in zip(network.parameters(), grads, strict=True):
        assert (grad is None) == (parameter.grad is None)
        assert grad is None or torch.equal(torch.as_tensor(parameter.grad), grad)
    assert not network.get_submodule("0")._forward_hooks
    assert len(network.get_submodule("3")._forward_hooks) == 1


def test_a_frozen_network_is_followed_as_well():
    network = FAMILY["residual"].make().requires_grad_(False)

    assert len(find_groups(network, FAMILY["residual"].example()).groups) == 3
