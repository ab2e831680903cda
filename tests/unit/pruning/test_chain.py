import copy
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.models.modules import ACTIVATIONS, MLP, linear_layers
from spinn_edge.pruning.chain import find_chain, mask, prove_exact, shrink, widths_of


class Wrapper(nn.Module):
    """A user's own class: another order of attributes, Dropout, its own forward."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.inner = nn.ModuleDict({"first": nn.Linear(6, 10), "second": nn.Linear(10, 8)})
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dropout(torch.relu(self.inner["first"](x)))
        x = self.dropout(nn.functional.silu(self.inner["second"](x)))
        return torch.as_tensor(2.0 * self.head(x) - 1.0)


def indices(*layers: list[int]) -> list[torch.Tensor]:
    return [torch.tensor(layer) for layer in layers]


def random_kept(widths: tuple[int, ...], seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    kept = []
    for width in widths[1:-1]:
        count = int(torch.randint(1, width + 1, (), generator=generator))
        kept.append(torch.randperm(width, generator=generator)[:count].sort().values)
    return kept


@pytest.mark.parametrize("activation", ACTIVATIONS)
@given(hidden=st.lists(st.integers(1, 24), min_size=1, max_size=4), seed=st.integers(0, 2**31))
def test_shrunk_network_equals_the_masked_one_for_every_activation(
    activation: str, hidden: list[int], seed: int
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mlp = MLP((5, *hidden, 3), activation).eval()
        x = torch.randn(32, 5, dtype=torch.float64)
    kept = random_kept(mlp.widths, seed)

    small = shrink(mlp, kept)

    assert small.widths == (5, *map(len, kept), 3)
    with torch.no_grad():
        expected = mask(mlp, kept).double()(x)
        got = copy.deepcopy(small).double()(x)
    assert (expected - got).abs().max() <= 1e-6 * expected.abs().max()
    assert prove_exact(mlp, small, kept) <= 1e-6


def test_removed_neurons_do_count_in_the_given_network() -> None:
    mlp = MLP((5, 8, 3), "tanh").eval()
    x = torch.randn(32, 5)

    small = shrink(mlp, indices([0, 3]))

    assert (mlp(x) - small(x)).abs().max() > 1e-3


def test_rows_and_columns_of_the_kept_neurons_stay_as_they_were() -> None:
    mlp = MLP((5, 8, 3), "tanh")

    small = shrink(mlp, indices([1, 6]))

    (first, last), (was_first, was_last) = linear_layers(small), linear_layers(mlp)
    torch.testing.assert_close(first.weight, was_first.weight[[1, 6]], rtol=0, atol=0)
    torch.testing.assert_close(first.bias, was_first.bias[[1, 6]], rtol=0, atol=0)
    torch.testing.assert_close(last.weight, was_last.weight[:, [1, 6]], rtol=0, atol=0)
    torch.testing.assert_close(last.bias, was_last.bias, rtol=0, atol=0)
    assert (first.out_features, last.in_features) == (2, 2)


@pytest.mark.parametrize("function", [shrink, mask])
def test_given_network_is_not_changed(function: Callable[..., MLP]) -> None:
    mlp = MLP((5, 8, 3), "tanh")
    before = copy.deepcopy(mlp.state_dict())

    made = function(mlp, indices([0]))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()

    assert mlp.widths == (5, 8, 3)
    for name, tensor in mlp.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_shrunk_parameters_own_their_memory_and_can_be_trained() -> None:
    small = shrink(MLP((5, 8, 3), "tanh"), indices([0, 1]))

    small(torch.randn(4, 5)).sum().backward()

    for parameter in small.parameters():
        assert parameter.grad is not None
        assert parameter.untyped_storage().nbytes() == 4 * parameter.numel()


def test_wrapper_keeps_its_own_forward_and_dropout() -> None:
    wrapper = Wrapper().eval()
    kept = indices([0, 2, 9], [1, 4, 5, 7])

    small = shrink(wrapper, kept)

    assert prove_exact(wrapper, small, kept) <= 1e-6
    assert isinstance(small, Wrapper)
    assert isinstance(small.dropout, nn.Dropout)
    assert [name for name, _ in find_chain(small)] == ["inner.first", "inner.second", "head"]
    assert widths_of(find_chain(small)) == (6, 3, 4, 3)
    x = torch.randn(9, 6)
    torch.testing.assert_close(small(x), mask(wrapper, kept)(x))


def test_proof_leaves_mode_type_and_weights_alone() -> None:
    mlp = MLP((5, 8, 3), "tanh").train()
    kept = indices([0, 1])
    small = shrink(mlp, kept).train()

    prove_exact(mlp, small, kept)

    assert mlp.training
    assert small.training
    assert {p.dtype for m in (mlp, small) for p in m.parameters()} == {torch.float32}


def test_proof_allows_a_forward_that_casts_to_float32() -> None:
    class Casting(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.as_tensor(super().forward(x.float()))

    network = Casting(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    kept = indices([0, 1])

    assert prove_exact(network, shrink(network, kept), kept) <= 1e-6


# Networks that are no plain MLP


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.a(x)) + x
        return torch.as_tensor(self.c(torch.tanh(self.b(x)) + x))


class SharedLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.last = nn.Linear(8, 8), nn.Linear(8, 2)
        self.again = self.a


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
        self.alpha = nn.Parameter(torch.tensor(1.0))


class WithBuffer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2))
        self.register_buffer("mean", torch.zeros(8))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Linear(8, 2), "the network has 1 Linear layers; pruning needs a hidden one"),
        (nn.Tanh(), "the network has 0 Linear layers"),
        (Gated(), "'alpha' belongs to no Linear layer: only plain MLPs"),
        (WithBuffer(), "'mean' belongs to no Linear layer"),
        (SharedLayer(), "'again.weight' belongs to no Linear layer"),
        (
            nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)),
            "'1.weight' belongs to no Linear layer",
        ),
        (
            nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(8, 8)), nn.Linear(8, 2)),
            "'0.parametrizations.weight.original0' belongs to no Linear layer",
        ),
        (
            nn.Sequential(nn.Linear(8, 6), nn.Linear(8, 2)),
            "'0' gives 6 values but '1' takes 8: only plain MLPs",
        ),
    ],
)
def test_layers_that_are_no_chain_are_refused(network: nn.Module, message: str) -> None:
    with pytest.raises(PruningError) as caught:
        find_chain(network)
    assert message in str(caught.value)


def test_residual_with_equal_widths_is_refused_because_it_does_not_run() -> None:
    network, kept = Residual(), indices([0, 1, 2], [0, 1, 2, 3])

    with pytest.raises(PruningError, match="the network is no plain chain of layers"):
        prove_exact(network, shrink(network, kept), kept)


class NormAcross(nn.Module):
    """Runs at any width, but each neuron depends on all the others."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 8), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.b(torch.softmax(self.a(x), dim=1)))


class Backwards(nn.Module):
    """Uses its layers in another order than it defines them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(self.b(torch.tanh(self.c(torch.tanh(self.a(x))))))


def test_forward_that_mixes_neurons_is_refused_by_running_it() -> None:
    network, kept = NormAcross(), indices([0, 1, 2])

    with pytest.raises(PruningError, match="its forward does more than a chain") as caught:
        prove_exact(network, shrink(network, kept), kept)
    assert "allowed 1e-06" in str(caught.value)


def test_other_order_of_use_is_refused() -> None:
    network, kept = Backwards(), indices([0, 1], [2, 3, 4])

    with pytest.raises(PruningError):
        prove_exact(network, shrink(network, kept), kept)


def test_network_of_nan_is_refused() -> None:
    network, kept = MLP((5, 8, 2), "tanh"), indices([0, 1])
    with torch.no_grad():
        linear_layers(network)[1].bias[0] = float("nan")

    with pytest.raises(PruningError, match="differs from the masked one by nan"):
        prove_exact(network, shrink(network, kept), kept)


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError("two dimensions"), TypeError()])
def test_forward_that_fails_is_one_clear_error(error: Exception) -> None:
    class Failing(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise error

    network, kept = Failing(nn.Linear(5, 8), nn.Linear(8, 2)), indices([0, 1])

    with pytest.raises(PruningError, match="no plain chain of layers"):
        prove_exact(network, shrink(network, kept), kept)
