import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from spinn_edge.models.modules import MLP
from spinn_edge.pruning.graph.chain import shrink
from spinn_edge.pruning.layer_statistics import layer_statistics


def linear(weight, bias):
    layer = nn.Linear(len(weight[0]), len(weight))
    layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
    return layer


def test_figures_are_those_that_a_hand_computes():
    (found,) = layer_statistics(linear([[3.0, -1.0], [0.0, 2.0]], [0.0, 5.0]))
    assert (found.name, found.width_before, found.width_after) == ("", 2, 2)
    assert (found.parameters, found.nonzeros) == (6, 4)
    assert found.weight_mean == 1.0
    assert found.weight_mean_abs == 1.5
    assert found.kind == "Linear"
    assert found.weight_std == pytest.approx((10 / 4) ** 0.5)  # mean of 4, 4, 1, 1
    assert found.weight_l2 == pytest.approx(14**0.5)


def test_width_before_is_that_of_the_network_that_was_given():
    mlp = MLP((3, 8, 6, 2), "tanh")
    given = layer_statistics(mlp)
    small = shrink(mlp, [torch.arange(5), torch.arange(4)])
    found = layer_statistics(small, given)
    assert [(s.width_before, s.width_after) for s in given] == [(8, 8), (6, 6), (2, 2)]
    assert [(s.width_before, s.width_after) for s in found] == [(8, 5), (6, 4), (2, 2)]
    assert [s.name for s in found] == ["0", "2", "4"]
    assert sum(s.parameters for s in found) == sum(p.numel() for p in small.parameters())


def test_masked_weights_count_as_zero_also_before_the_network_runs_again():
    layer = linear([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    prune.custom_from_mask(layer, "weight", torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    with torch.no_grad():
        layer.weight_orig.mul_(2.0)  # what an optimiser's step does: layer.weight is stale now
    (found,) = layer_statistics(layer)
    assert (found.parameters, found.nonzeros) == (6, 4)
    assert found.weight_l2 == pytest.approx((2.0**2 + 8.0**2) ** 0.5)


def test_any_module_with_parameters_of_its_own_is_a_layer():
    class Gated(nn.Module):
        def __init__(self):
            super().__init__()
            self.gate = nn.Parameter(torch.tensor(0.5))
            self.body = nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU())

    found = {s.name: s for s in layer_statistics(Gated())}
    assert set(found) == {"", "body.0", "body.1"}
    assert (found[""].width_after, found[""].parameters) == (1, 1)
    assert found["body.0"].width_after == 4
    assert found["body.1"].parameters == 8  # running statistics are no parameters


def test_weight_that_is_no_number_is_left_out_of_the_figures():
    (found,) = layer_statistics(linear([[float("nan"), 1.0]], [0.0]))
    assert (found.weight_mean, found.weight_std, found.weight_l2) == (None, None, None)


def test_a_weight_that_two_layers_share_counts_once():
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    net = nn.Sequential(first, nn.Tanh(), second)
    found = layer_statistics(net)
    assert [s.parameters for s in found] == [12, 3]
    assert [s.nonzeros for s in found] == [12, 3]
    assert sum(s.parameters for s in found) == sum(p.numel() for p in net.parameters())
    assert found[0].weight_l2 == found[1].weight_l2
