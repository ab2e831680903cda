import functools
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.models.cutting import cut
from spinn_edge.pruning.targets.amounts import COUNTABLE, count_amount, measure_amount
from spinn_edge.pruning.targets.flops import even_plans
from tests.unit.pruning.targets.hand_graphs import (
    CASES,
    cnn_case,
    graph,
    group,
    mlp_case,
    tied_case,
)


@functools.cache
def case_of(name):
    return CASES[name]()


@functools.cache
def amount_of(name, by):
    case = case_of(name)
    return measure_amount(by, case.module, case.graph, case.example)


@st.composite
def widths_of(draw, case):
    bounds = case.bounds()
    return tuple(
        bound.step * draw(st.integers(bound.floor // bound.step, bound.ceiling // bound.step))
        for bound in bounds
    )


@pytest.mark.parametrize("by", COUNTABLE)
@pytest.mark.parametrize("name", CASES)
@settings(max_examples=12)
@given(data=st.data())
def test_amount_is_what_the_cut_network_has(name, by, data):
    case = case_of(name)
    widths = data.draw(widths_of(case))

    small = cut(case.module, even_plans(case.graph.groups, widths))

    assert amount_of(name, by)(widths) == pytest.approx(
        count_amount(by, small, case.example), rel=1e-12
    )


@pytest.mark.parametrize("by", COUNTABLE)
@pytest.mark.parametrize("name", CASES)
def test_total_is_the_count_of_the_whole_network(name, by):
    case = case_of(name)
    amount = amount_of(name, by)

    assert amount.name == by
    assert amount.total == count_amount(by, case.module, case.example)
    assert amount.total == amount(case.original)


def test_many_choices_at_once_give_what_each_gives():
    amount = amount_of("unet", "flops")
    choices = [(8, 12, 6, 10), (2, 1, 1, 1), (4, 7, 3, 5)]

    assert amount.each(choices).tolist() == [amount(choice) for choice in choices]
    assert amount.each(np.array(choices)).tolist() == amount.each(choices).tolist()


@pytest.mark.parametrize("name", CASES)
def test_bytes_are_those_of_a_safetensors_file_without_its_header(name):
    case = case_of(name)
    unique = {id(t): (n, t) for n, t in reversed(case.module.state_dict(keep_vars=True).items())}
    content = save({n: t.detach().clone() for n, t in unique.values()})
    header = int.from_bytes(content[:8], "little")
    assert json.loads(content[8 : 8 + header])

    assert count_amount("bytes", case.module, case.example) == len(content) - 8 - header


def test_bytes_count_buffers_and_element_sizes_and_leave_out_what_is_not_stored():
    case = tied_case()
    parameters = count_amount("parameters", case.module, case.example)

    assert parameters == 9 * 12 + 12 * 12 + 12  # the tied weight once
    assert count_amount("bytes", case.module, case.example) == 4 * parameters + 8 * 12
    case.module.half()
    case.module.shift = case.module.shift.double()
    assert count_amount("bytes", case.module, case.example) == 2 * parameters + 8 * 12


def test_cut_that_is_written_twice_counts_once():
    case = mlp_case((6, 32, 2))
    (made,) = case.graph.groups
    doubled = graph(group("0", 32, *[f"{c.tensor}:{c.dim}" for c in (*made.cuts, *made.cuts)]))

    amount = measure_amount("parameters", case.module, doubled, case.example)

    assert amount((8,)) == 7 * 8 + 9 * 2


def test_layers_are_named_with_what_they_hold():
    case = mlp_case((6, 32, 24, 2))
    amount = measure_amount("parameters", case.module, case.graph, case.example)

    held = amount.holdings((32, 24))

    assert list(held) == ["2", "0", "4"]
    assert held == {"0": 7 * 32, "2": 33 * 24, "4": 25 * 2}
    assert amount.holdings((1, 1)) == {"0": 7, "2": 2, "4": 4}


def test_lone_parameter_is_its_own_layer():
    module = nn.Linear(2, 3)
    module.register_parameter("scale", nn.Parameter(torch.ones(4)))

    held = measure_amount("parameters", module, graph(), (torch.zeros(1, 2),)).holdings(())

    assert held == {"weight": 6, "scale": 4, "bias": 3}


@pytest.mark.parametrize("by", ["latency", "params", ""])
def test_quantity_that_is_not_counted_is_refused_with_those_that_are(by):
    case = case_of("mlp")
    with pytest.raises(PruningError, match=f"'{by}' cannot be counted; known: parameters, flops"):
        measure_amount(by, case.module, case.graph, case.example)
    with pytest.raises(PruningError, match="known: parameters, flops, bytes"):
        count_amount(by, case.module, case.example)


@pytest.mark.parametrize("by", COUNTABLE)
def test_measuring_changes_nothing_in_the_network(by):
    case = cnn_case()
    body = case.module.get_submodule("body")
    case.module.train()
    body.get_submodule("1").eval()
    before = {name: tensor.clone() for name, tensor in case.module.state_dict().items()}

    measure_amount(by, case.module, case.graph, case.example)
    count_amount(by, case.module, case.example)

    assert case.module.training
    assert not body.get_submodule("1").training
    assert body.get_submodule("5").training
    assert all(
        torch.equal(tensor, before[name]) for name, tensor in case.module.state_dict().items()
    )
