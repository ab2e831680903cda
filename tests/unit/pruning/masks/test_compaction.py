import copy
import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.models.modules import ACTIVATIONS, MLP, linear_layers
from spinn_edge.pruning import apply_pruning, compact
from spinn_edge.pruning.masks.applying import permanent_copy
from spinn_edge.pruning.masks.compaction import compact_masks
from spinn_edge.pruning.masks.weights import maskable_weights
from tests.unit.pruning.masks.networks import ConvNet, mlp


@torch.no_grad()
def difference(a: nn.Module, b: nn.Module, inputs: int) -> float:
    x = 3 * torch.randn(200, inputs, generator=torch.Generator().manual_seed(7)).double()
    a, b = (copy.deepcopy(m).double().eval() for m in (a, b))
    return float((a(x) - b(x)).abs().max() / a(x).abs().max())


@torch.no_grad()
def cut(network: nn.Sequential, layer: int, rows: Any = (), columns: Any = ()) -> None:
    linear = [module for module in network if isinstance(module, nn.Linear)][layer]
    linear.weight[list(rows)] = 0
    linear.weight[:, list(columns)] = 0


@pytest.mark.parametrize("activation", [*ACTIVATIONS])
def test_neurons_without_inputs_become_a_bias_of_the_next_layer(activation: str) -> None:
    network = mlp(activation=activation)
    cut(network, 0, rows=[0, 5, 7])
    cut(network, 1, rows=[2])

    small = compact(network)

    assert isinstance(small.module, MLP)
    assert small.module.widths == (4, 21, 15, 2)
    assert (small.constant, small.unused) == (4, 0)
    assert [(layer.before, layer.after) for layer in small.layers] == [(24, 21), (16, 15)]
    assert small.kept[1].tolist() == [n for n in range(16) if n != 2]
    assert difference(network, small.module, 4) < 2e-7  # biases rounded to float32 once
    assert small.error <= 1e-9


def test_neuron_without_inputs_and_outputs_counts_once_and_leaves_no_trace() -> None:
    network = mlp()
    cut(network, 0, rows=[3])
    cut(network, 1, columns=[3])
    small = compact(network)
    assert (small.constant, small.unused, small.module.widths) == (0, 1, (4, 23, 16, 2))
    assert difference(network, small.module, 4) < 1e-12


def test_neurons_without_outputs_just_go() -> None:
    network = mlp()
    cut(network, 1, columns=[1, 2, 3])
    small = compact(network)
    assert (small.constant, small.unused, small.module.widths) == (0, 3, (4, 21, 16, 2))
    assert difference(network, small.module, 4) < 1e-12  # nothing was rounded


@torch.no_grad()
def test_removal_that_cuts_off_others_goes_on_in_both_directions() -> None:
    network = mlp(4, 6, 5, 4, 2, activation="sin")
    _, second, third, _ = (layer.weight for layer in linear_layers(network))
    # back from the output: c0 is not heard, b1 is heard by c0 alone, a2 by b1 alone
    cut(network, 3, columns=[0])
    third[1:, 1] = 0
    second[[0, 2, 3, 4], 2] = 0
    # on from the input: a5 hears nothing, b4 hears a5 alone, c3 hears b4 alone
    cut(network, 0, rows=[5])
    second[4, :5] = 0
    third[3, :4] = 0

    small = compact(network)

    assert small.module.widths == (4, 4, 3, 2, 2)
    assert (small.constant, small.unused) == (3, 3)
    assert [kept.tolist() for kept in small.kept] == [[0, 1, 3, 4], [0, 2, 3], [1, 2]]
    assert difference(network, small.module, 4) < 2e-7


def test_layer_keeps_one_neuron_though_all_are_cut_off() -> None:
    for part in ({"rows": range(16)}, {"columns": range(24)}):
        network = mlp()
        cut(network, 1, **part)
        small = compact(network)
        assert min(small.module.widths) == 1
        assert difference(network, small.module, 4) < 2e-7


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(["tanh", "relu", "sin", "gelu"]))
def test_any_zero_pattern_is_compacted_exactly(seed: int, activation: str) -> None:
    network = mlp(3, 5, 4, 6, 2, activation=activation, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    share = float(torch.rand(1, generator=generator))
    with torch.no_grad():
        for layer in linear_layers(network):
            layer.weight[torch.rand(layer.weight.shape, generator=generator) < share] = 0

    small = compact(network)

    assert small.error <= 1e-9
    assert difference(network, small.module, 3) < 1e-6
    layers = linear_layers(small.module)
    for layer, following in itertools.pairwise(layers):
        dead = ~layer.weight.any(dim=1) | ~following.weight.any(dim=0)
        assert layer.out_features == 1 or not dead.any()
    assert compact(small.module).parameters_after == small.parameters_after


class OwnClass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 2, bias=False)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.b(self.drop(torch.sigmoid(self.a(x)))))


def test_own_class_with_dropout_and_without_a_bias_gets_one() -> None:
    network = OwnClass().train()
    with torch.no_grad():
        network.a.weight[3] = 0

    small = compact(network)

    assert small.module.a.out_features == 7
    assert small.module.b.bias is not None
    assert difference(network, small.module, 4) < 2e-7
    assert network.training
    assert network.a.out_features == 8


def test_bias_free_network_stays_so_where_nothing_has_to_be_added() -> None:
    network: Any = nn.Sequential(
        nn.Linear(4, 8, bias=False), nn.Tanh(), nn.Linear(8, 2, bias=False)
    )
    with torch.no_grad():
        network[0].weight[3] = 0
    small = compact(network)
    assert small.module[0].out_features == 7
    assert small.module[2].bias is None


def test_masks_on_the_network_count_and_stay_there() -> None:
    network = mlp(4, 32, 32, 2)
    apply_pruning(network, 0.9, scope="layer")

    small = compact(network)

    assert small.parameters_after < small.parameters_before
    assert difference(permanent_copy(network), small.module, 4) < 2e-7
    assert maskable_weights(network)[0].mask is not None


def test_masks_of_the_smaller_network_are_those_of_what_stayed() -> None:
    network = mlp(4, 32, 32, 2)
    _, masks = apply_pruning(network, 0.9, scope="layer")
    small = compact(network)

    left = compact_masks(masks, tuple(masks), small.kept)

    for weight in maskable_weights(small.module):
        assert torch.equal(left[weight.name], weight.values != 0)


def test_half_precision_and_double_keep_their_type() -> None:
    network = mlp().double()
    cut(network, 0, rows=[0])
    small = compact(network)
    assert {p.dtype for p in small.module.parameters()} == {torch.float64}
    assert difference(network, small.module, 4) < 1e-12


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.a(x))
        return torch.as_tensor(self.b(h)) + h


class Twice(Residual):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.b(self.b(torch.tanh(self.a(x)))))


class Pair(Residual):
    def forward(self, x: torch.Tensor) -> Any:
        return self.b(torch.tanh(self.a(x))), x


class Single(Residual):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.b(torch.tanh(self.a(x.float()))))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Residual(), "only plain MLPs can be compacted"),
        (Twice(), "a Linear layer runs not once"),
        (Pair(), "returns a tuple, not a tensor"),
        (Single(), "cannot be run in float64"),
        (ConvNet(), "pruning needs a hidden one"),
        (
            nn.Sequential(nn.Linear(4, 6), nn.PReLU(), nn.Linear(6, 2)),
            r"'1\.weight' belongs to no Linear layer",
        ),
        (nn.Sequential(nn.Linear(4, 6), nn.Softmax(1), nn.Linear(6, 2)), "forward does more than"),
        (nn.Sequential(nn.Linear(4, 2)), "pruning needs a hidden one"),
    ],
)
def test_other_networks_are_refused_in_clear_words(network: nn.Module, message: str) -> None:
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                layer.weight[0] = 0
    with pytest.raises(PruningError, match=message):
        compact(network)


def test_nan_is_refused_by_name() -> None:
    network = mlp()
    with torch.no_grad():
        network[2].bias[0] = float("nan")
    with pytest.raises(PruningError, match=r"'2\.bias' holds NaN or Inf"):
        compact(network)
