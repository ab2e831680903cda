import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import LeftAlone
from spinn_edge.models.cutting import cut
from spinn_edge.models.modules import ACTIVATIONS, MLP
from spinn_edge.pruning.graph.chain import chain_groups, find_chain, shrink, widths_of
from spinn_edge.pruning.graph.exactness import masked_twin, prove_exact


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


def plans_of(network, *kept):
    return [g.plan(rows) for g, rows in zip(chain_groups(network).groups, kept, strict=True)]


def random_kept(widths: tuple[int, ...], seed: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    kept = []
    for width in widths[1:-1]:
        count = int(torch.randint(1, width + 1, (), generator=generator))
        kept.append(torch.randperm(width, generator=generator)[:count].sort().values.tolist())
    return kept


@pytest.mark.parametrize("activation", ACTIVATIONS)
@settings(max_examples=40)
@given(hidden=st.lists(st.integers(1, 24), min_size=1, max_size=4), seed=st.integers(0, 2**31))
def test_shrunk_network_equals_the_masked_one_for_every_activation(
    activation: str, hidden: list[int], seed: int
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mlp = MLP((5, *hidden, 3), activation).eval()
        x = torch.randn(32, 5, dtype=torch.float64)
    kept = random_kept(mlp.widths, seed)
    plans = plans_of(mlp, *kept)

    small = cut(mlp, plans)

    assert small.widths == (5, *map(len, kept), 3)
    assert prove_exact(mlp, small, plans, (x,)) <= 1e-6
    with torch.no_grad():
        expected = masked_twin(mlp, plans).double()(x)
        got = small.double()(x)
    assert (expected - got).abs().max() <= 1e-6 * expected.abs().max()


def test_removed_neurons_do_count_in_the_given_network() -> None:
    mlp = MLP((5, 8, 3), "tanh").eval()
    x = torch.randn(32, 5)

    small = cut(mlp, plans_of(mlp, [0, 3]))

    assert (mlp(x) - small(x)).abs().max() > 1e-3


def test_each_hidden_layer_is_a_group_and_the_last_layer_is_left_alone() -> None:
    graph = chain_groups(MLP((5, 8, 6, 3), "tanh"))

    assert [(group.name, group.channels, group.blocks) for group in graph.groups] == [
        ("0", 8, 1),
        ("2", 6, 1),
    ]
    assert [(c.tensor, c.dim, c.role) for c in graph.groups[0].cuts] == [
        ("0.weight", 0, "output"),
        ("0.bias", 0, "output"),
        ("2.weight", 1, "input"),
    ]
    assert graph.left_alone == (LeftAlone(name="4", reason="it makes the network's output"),)


def test_layers_without_bias_are_groups_too() -> None:
    network = nn.Sequential(nn.Linear(5, 8, bias=False), nn.Tanh(), nn.Linear(8, 2, bias=False))

    (group,) = chain_groups(network).groups

    assert [c.tensor for c in group.cuts] == ["0.weight", "2.weight"]
    plans = [group.plan([1, 2])]
    assert prove_exact(network, cut(network, plans), plans, (torch.zeros(1, 5),)) <= 1e-6


def test_wrapper_keeps_its_own_forward_and_dropout() -> None:
    wrapper = Wrapper().eval()
    plans = plans_of(wrapper, [0, 2, 9], [1, 4, 5, 7])

    small = cut(wrapper, plans)

    x = torch.randn(9, 6)
    assert prove_exact(wrapper, small, plans, (x,)) <= 1e-6
    assert isinstance(small, Wrapper)
    assert isinstance(small.dropout, nn.Dropout)
    assert [name for name, _ in find_chain(small)] == ["inner.first", "inner.second", "head"]
    assert widths_of(find_chain(small)) == (6, 3, 4, 3)
    torch.testing.assert_close(small(x), masked_twin(wrapper, plans)(x))


def test_shrink_keeps_the_neurons_that_it_is_given() -> None:
    mlp = MLP((5, 8, 6, 3), "tanh")

    small = shrink(mlp, [torch.tensor([1, 6]), torch.tensor([0, 2, 5])])

    assert small.widths == (5, 2, 3, 3)
    expected = mlp.get_parameter("2.weight")[[0, 2, 5]][:, [1, 6]]
    torch.testing.assert_close(small.get_parameter("2.weight"), expected)


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
        (Gated(), "no plain MLP: 'alpha' belongs to no Linear layer"),
        (WithBuffer(), "'mean' belongs to no Linear layer"),
        (SharedLayer(), "'again.weight' belongs to no Linear layer of its own"),
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
            "no plain MLP: '0' gives 6 values but '1' takes 8",
        ),
    ],
)
def test_layers_that_are_no_chain_are_refused(network: nn.Module, message: str) -> None:
    with pytest.raises(PruningError) as caught:
        find_chain(network)
    assert message in str(caught.value)
