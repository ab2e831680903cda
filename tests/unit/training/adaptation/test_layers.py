import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from spinn_edge.core.errors import UsageError
from spinn_edge.models.modules import MLP
from spinn_edge.training.adaptation.layers import find_moving_layers, inputs_of

SAMPLE = torch.linspace(-1, 1, 12).reshape(4, 3)


class Backwards(nn.Module):
    """Defined in another order than it is used in, with a layer that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(5, 2)
        self.twice = nn.Linear(5, 5)
        self.first = nn.Linear(3, 5)
        self.never = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.twice(torch.tanh(self.first(x)))
        out: torch.Tensor = self.last(torch.tanh(self.twice(h)))
        return out


def test_layers_are_counted_by_use_not_by_definition():
    found = find_moving_layers(Backwards(), SAMPLE, 3)
    assert [layer.name for layer in found.layers] == ["first", "twice", "last"]
    assert found.reads_out
    assert [len(layer.inputs) for layer in found.layers] == [4, 8, 4]
    one = find_moving_layers(Backwards(), SAMPLE, 1)
    assert [layer.name for layer in one.layers] == ["last"]


def test_a_network_with_something_behind_its_last_layer_is_not_linear_in_it():
    assert not find_moving_layers(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), SAMPLE, 1).reads_out
    assert find_moving_layers(nn.Sequential(nn.Linear(3, 2), nn.Identity()), SAMPLE, 1).reads_out


def test_too_many_layers_are_refused_and_those_in_use_named():
    with pytest.raises(UsageError, match=r"uses 3 Linear layers \(first, twice, last\)"):
        find_moving_layers(Backwards(), SAMPLE, 4)
    with pytest.raises(UsageError, match="0 Linear layers, and other layers are not adapted"):
        find_moving_layers(nn.Sequential(nn.LayerNorm(3)), SAMPLE, 1)


def test_weights_that_a_frozen_layer_shares_are_refused():
    mlp = MLP((3, 3, 3), "tanh")
    mlp[2].weight = mlp[0].weight
    with pytest.raises(UsageError, match=r"layer '2' shares its weights with '0.weight'"):
        find_moving_layers(mlp, SAMPLE, 1)


def test_a_computed_weight_is_refused():
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    with pytest.raises(UsageError, match="computes its weight from others"):
        find_moving_layers(nn.Sequential(layer), SAMPLE, 1)


def test_no_hook_is_left_behind():
    mlp = MLP((3, 4, 2), "tanh")
    find_moving_layers(mlp, SAMPLE, 2)
    last = mlp[2]
    assert isinstance(last, nn.Linear)
    with inputs_of(last) as seen:
        mlp(SAMPLE)
    mlp(SAMPLE)
    assert len(seen) == 1
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in mlp.modules())
