"""Which tensor is a channel's activation, in networks of several kinds."""

import pytest
import torch
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import Cut
from spinn_edge.pruning.criteria.importance import score_groups
from spinn_edge.pruning.graph.groups import ChannelGraph, Group


@pytest.fixture(autouse=True)
def same_weights() -> None:
    torch.manual_seed(0)


def made_by(*tensors: str, channels: int, dim: int = 0, **place: int) -> Group:
    cuts = tuple(Cut(tensor=name, dim=dim, role="output", **place) for name in tensors)
    return Group(name="+".join(tensors), channels=channels, cuts=cuts)


def activation(net: nn.Module, group: Group, *batches: Tensor) -> Tensor:
    pairs = [(x, torch.zeros(len(x))) for x in batches]
    (scores,) = score_groups(net, ChannelGraph(groups=(group,)), "activation", batches=pairs)
    return scores


def mean_abs(values: Tensor, dim: int) -> list[float]:
    return values.detach().double().movedim(dim, 0).flatten(1).abs().mean(dim=1).tolist()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


class Frequency(nn.Module):
    """The user's own activation, with a number to learn."""

    def __init__(self) -> None:
        super().__init__()
        self.omega = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * x)


@pytest.mark.parametrize(
    "behind",
    [
        (nn.ReLU(),),
        (nn.ReLU(inplace=True),),
        (nn.PReLU(),),
        (Frequency(),),
        (nn.LayerNorm(4), nn.Dropout(), nn.Tanh()),
        (nn.BatchNorm1d(4), nn.SiLU()),
    ],
)
def test_it_is_measured_behind_the_nonlinearity(behind: tuple[nn.Module, ...], x: Tensor) -> None:
    net = nn.Sequential(nn.Linear(3, 4), *behind, nn.Linear(4, 2), nn.ReLU())
    expected = net[: 1 + len(behind)].eval()(x)
    scores = activation(net, made_by("0.weight", "0.bias", channels=4), x)
    assert scores.tolist() == pytest.approx(mean_abs(expected, -1))


def test_without_such_a_module_it_is_measured_at_the_layers_output(x: Tensor) -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last, self.relu = nn.Linear(3, 4), nn.Linear(4, 2), nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.relu(self.last(torch.tanh(self.first(x))))

    net = Functional()
    scores = activation(net, made_by("first.weight", channels=4), x)
    assert scores.tolist() == pytest.approx(mean_abs(net.first(x), -1))


def test_a_module_that_changes_the_shape_is_no_nonlinearity() -> None:
    class MeanOfTokens(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean(dim=1)

    tokens = torch.randn(2, 5, 3)
    net = nn.Sequential(nn.Linear(3, 4), MeanOfTokens())
    scores = activation(net, made_by("0.weight", channels=4), tokens)
    assert scores.tolist() == pytest.approx(mean_abs(net[0](tokens), -1))


def test_channels_of_a_convolution_lie_on_dimension_one() -> None:
    images = torch.randn(2, 3, 5, 4)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    expected = net[:3].eval()(images)
    scores = activation(net, made_by("0.weight", channels=4), images)
    assert scores.tolist() == pytest.approx(mean_abs(expected, 1))
    up = nn.Sequential(nn.ConvTranspose2d(3, 2, 2))
    scores = activation(up, made_by("0.weight", channels=2, dim=1), images)
    assert scores.tolist() == pytest.approx(mean_abs(up(images), 1))


def test_channels_of_a_linear_layer_lie_on_the_last_dimension() -> None:
    tokens = torch.randn(2, 5, 3)
    net = nn.Sequential(nn.Linear(3, 5), nn.GELU())
    scores = activation(net, made_by("0.weight", channels=5), tokens)
    assert scores.tolist() == pytest.approx(mean_abs(net(tokens), -1))


def test_layers_that_make_the_same_channels_are_summed_and_a_layer_used_twice_is_averaged(
    x: Tensor,
) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(self.a(x)) + self.b(x)

    net = Twice()
    scores = activation(net, made_by("a.weight", "b.weight", channels=3), x)
    both = torch.cat([net.a(x), net.a(net.a(x))])
    expected = torch.tensor(mean_abs(both, -1)) + torch.tensor(mean_abs(net.b(x), -1))
    assert scores.tolist() == pytest.approx(expected.tolist())


def test_batches_of_several_sizes_count_by_their_rows(x: Tensor) -> None:
    net = nn.Sequential(nn.Linear(3, 4))
    whole = activation(net, made_by("0.weight", channels=4), x)
    parts = activation(net, made_by("0.weight", channels=4), x[:1], x[1:])
    assert parts.tolist() == pytest.approx(whole.tolist())


def test_a_part_of_a_wide_layer_is_measured_alone(x: Tensor) -> None:
    net = nn.Sequential(nn.Linear(3, 6))
    scores = activation(net, made_by("0.weight", channels=2, offset=2, repeat=2), x)
    expected = net(x)[:, 2:].reshape(-1, 2, 2).movedim(1, 0).flatten(1).abs().mean(dim=1)
    assert scores.tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("keywords", [False, True])
def test_attention_gives_its_values_and_its_output(keywords: bool) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            if keywords:
                return self.attention(query=x, key=x, value=x, need_weights=False)[0]
            return self.attention(x, x, x)[0]

    tokens, net = torch.randn(2, 5, 4), Block()
    nn.init.normal_(net.attention.in_proj_bias)
    group = made_by("attention.in_proj_weight", channels=4, offset=8)
    values = nn.functional.linear(
        tokens, net.attention.in_proj_weight[8:], net.attention.in_proj_bias[8:]
    )
    assert activation(net, group, tokens).tolist() == pytest.approx(mean_abs(values, -1))
    group = made_by("attention.out_proj.weight", channels=4)
    out = net.eval()(tokens)
    assert activation(net, group, tokens).tolist() == pytest.approx(mean_abs(out, -1), rel=1e-5)


def test_attention_with_keys_of_another_size_gives_its_queries() -> None:
    class Cross(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, kdim=3, vdim=3, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.attention(x, x[..., :3], x[..., :3])[0]

    tokens, net = torch.randn(2, 5, 4), Cross()
    for name, given in (("q_proj_weight", tokens), ("v_proj_weight", tokens[..., :3])):
        group = made_by(f"attention.{name}", channels=4)
        expected = given @ getattr(net.attention, name).T
        scores = activation(net, group, tokens)
        assert scores.tolist() == pytest.approx(mean_abs(expected, -1), rel=1e-5)


def test_a_transformer_layer_is_measured_off_its_fused_path() -> None:
    net = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    tokens = torch.randn(2, 5, 4)
    hidden = activation(net, made_by("linear1.weight", channels=8), tokens)
    assert (hidden > 0).all()


def test_channels_that_no_module_gives_are_refused(x: Tensor) -> None:
    class Unwrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.last = nn.Parameter(torch.randn(3, 4)), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(x @ self.w)

    message = "no module of the network gives the channels of 'w'.*--importance"
    with pytest.raises(PruningError, match=message):
        activation(Unwrapped(), made_by("w", channels=4, dim=1), x)
