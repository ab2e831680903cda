"""Every criterion by numbers worked out by hand, and by channels planted to be worthless."""

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.core.pruning_record import Cut
from spinn_edge.models.modules import MLP
from spinn_edge.pruning.criteria.importance import (
    IMPORTANCES,
    find_criterion,
    importance_name,
    score_groups,
)
from spinn_edge.pruning.graph.chain import chain_groups
from spinn_edge.pruning.graph.find import find_groups
from spinn_edge.pruning.graph.groups import ChannelGraph, Group

mse = nn.functional.mse_loss

HIDDEN = Group(
    name="0",
    channels=3,
    cuts=(
        Cut(tensor="0.weight", dim=0, role="output"),
        Cut(tensor="0.bias", dim=0, role="output"),
        Cut(tensor="2.weight", dim=1, role="input"),
    ),
)


@pytest.fixture(autouse=True)
def same_weights() -> None:
    torch.manual_seed(0)


def tensor(net: nn.Module, name: str) -> Tensor:
    """Return a parameter or buffer itself, to read or to write."""
    return {**dict(net.named_parameters()), **dict(net.named_buffers())}[name]


def graph_of(*groups: Group) -> ChannelGraph:
    return ChannelGraph(groups=groups)


def known_mlp() -> MLP:
    """2-3-2 with numbers that are easy to add up."""
    mlp = MLP((2, 3, 2), "relu")
    with torch.no_grad():
        tensor(mlp, "0.weight").copy_(torch.tensor([[1.0, -2.0], [3.0, 4.0], [0.0, 0.5]]))
        tensor(mlp, "0.bias").copy_(torch.tensor([10.0, 0.0, 1.0]))
        tensor(mlp, "2.weight").copy_(torch.tensor([[1.0, -2.0, 0.0], [-3.0, 0.5, 0.25]]))
        tensor(mlp, "2.bias").zero_()
    return mlp


def some_batches(features: int = 2, targets: int = 2) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    return [
        (
            torch.randn(rows, features, generator=generator),
            torch.randn(rows, targets, generator=generator),
        )
        for rows in (8, 8, 3)
    ]


def scores_of(module: nn.Module, criterion: str, group: Group = HIDDEN) -> list[float]:
    (found,) = score_groups(module, graph_of(group), criterion)
    return found.tolist()


# --- by hand


def test_outgoing_l1_is_the_norm_of_what_a_neuron_sends_on() -> None:
    assert scores_of(known_mlp(), "l1-outgoing") == [4.0, 2.5, 0.25]


def test_outgoing_l1_of_a_plain_mlp_is_the_norm_of_the_next_layers_columns() -> None:
    mlp = MLP((4, 7, 5, 2), "tanh")
    found = score_groups(mlp, chain_groups(mlp), "l1-outgoing")
    for scores, following in zip(found, ("2.weight", "4.weight"), strict=True):
        assert torch.equal(scores, tensor(mlp, following).detach().double().abs().sum(dim=0))


def test_incoming_l1_leaves_biases_out() -> None:
    assert scores_of(known_mlp(), "l1-incoming") == [3.0, 7.0, 0.5]


def test_group_norms_take_all_weights_of_a_channel_and_no_bias() -> None:
    assert scores_of(known_mlp(), "group-l1") == [7.0, 9.5, 0.75]
    squares = [1 + 4 + 1 + 9, 9 + 16 + 4 + 0.25, 0.25 + 0.0625]
    assert scores_of(known_mlp(), "group-l2") == pytest.approx([math.sqrt(s) for s in squares])


def test_geometric_median_is_the_sum_of_distances_bias_included() -> None:
    mlp = known_mlp()
    points = torch.tensor([[1.0, -2, 10], [3, 4, 0], [0, 0.5, 1]], dtype=torch.float64)
    expected = [sum(math.dist(p, q) for q in points.tolist()) for p in points.tolist()]
    assert scores_of(mlp, "geometric-median") == pytest.approx(expected)


def test_taylor_is_the_squared_change_of_the_loss_averaged_over_rows() -> None:
    """Without a nonlinearity: y = v·w·x, loss the mean of y - t, so a channel changes it by v·h."""

    def loss(prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).mean()

    mlp = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Identity(), nn.Linear(2, 1, bias=False))
    with torch.no_grad():
        tensor(mlp, "0.weight").copy_(torch.tensor([[2.0], [1.0]]))
        tensor(mlp, "2.weight").copy_(torch.tensor([[3.0, -1.0]]))
    batches = [
        (torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)),  # mean x is 2: changes are 12 and -2
        (torch.tensor([[-1.0]]), torch.zeros(1, 1)),  # -6 and 1
    ]
    group = Group(
        name="0",
        channels=2,
        cuts=(
            Cut(tensor="0.weight", dim=0, role="output"),
            Cut(tensor="2.weight", dim=1, role="input"),
        ),
    )

    (scores,) = score_groups(mlp, graph_of(group), "taylor", batches=batches, loss=loss)

    assert scores.tolist() == pytest.approx([(2 * 144 + 36) / 3, (2 * 4 + 1) / 3])


def test_taylor_foretells_what_the_loss_changes_by_when_a_weak_channel_is_silenced() -> None:
    mlp = MLP((2, 3, 2), "tanh")
    with torch.no_grad():
        tensor(mlp, "2.weight")[:, 1] *= 1e-3
    x, y = some_batches()[0]

    (scores,) = score_groups(mlp, graph_of(HIDDEN), "taylor", batches=[(x, y)], loss=mse)

    before = mse(mlp(x), y)
    with torch.no_grad():
        tensor(mlp, "2.weight")[:, 1] = 0
    change = float((mse(mlp(x), y) - before).detach())
    assert math.sqrt(scores[1]) == pytest.approx(abs(change), rel=0.05)


# --- where channels lie


def test_layers_that_make_and_take_the_same_channels_are_summed() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Linear(3, 3) for _ in range(3))

    net = Residual()
    made = (Cut(tensor=f"{name}.weight", dim=0, role="output") for name in "ab")
    taken = (Cut(tensor=f"{name}.weight", dim=1, role="input") for name in "bc")
    group = Group(name="a+b", channels=3, cuts=(*made, *taken))
    a, b, c = (layer.weight.detach().double().abs() for layer in (net.a, net.b, net.c))
    for criterion, expected in {
        "l1-incoming": a.sum(1) + b.sum(1),
        "l1-outgoing": b.sum(0) + c.sum(0),
        "group-l1": a.sum(1) + b.sum(1) + b.sum(0) + c.sum(0),
    }.items():
        assert scores_of(net, criterion, group) == pytest.approx(expected.tolist())


def test_positions_of_a_flattened_convolution_count_for_their_channel() -> None:
    cnn = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 49, 4))
    group = Group(
        name="0",
        channels=2,
        cuts=(
            Cut(tensor="0.weight", dim=0, role="output"),
            Cut(tensor="3.weight", dim=1, role="input", repeat=49),
        ),
    )
    weight = tensor(cnn, "3.weight").detach().double().abs()
    expected = [float(weight[:, :49].sum()), float(weight[:, 49:].sum())]
    assert scores_of(cnn, "l1-outgoing", group) == pytest.approx(expected)


def test_channels_behind_a_concatenation_begin_at_their_offset() -> None:
    linear = nn.Sequential(nn.Linear(5, 1))
    group = Group(
        name="second", channels=2, cuts=(Cut(tensor="0.weight", dim=1, role="input", offset=3),)
    )
    assert scores_of(linear, "l1-outgoing", group) == pytest.approx(
        tensor(linear, "0.weight")[0, 3:].abs().tolist()
    )


def test_norms_count_by_their_weight_and_not_by_bias_or_running_statistics() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2))
    with torch.no_grad():
        tensor(net, "0.weight").copy_(torch.tensor([1.0, 2.0]).view(2, 1, 1, 1))
        tensor(net, "1.weight").copy_(torch.tensor([5.0, -1.0]))
        tensor(net, "1.bias").fill_(100)
        tensor(net, "1.running_var").fill_(50)
    norm = ("weight", "bias", "running_mean", "running_var")
    group = Group(
        name="0",
        channels=2,
        cuts=(
            Cut(tensor="0.weight", dim=0, role="output"),
            *(Cut(tensor=f"1.{name}", dim=0, role="channel") for name in norm),
        ),
    )
    assert scores_of(net, "group-l1", group) == [6.0, 3.0]


def test_a_norm_without_weights_does_not_count() -> None:
    net = nn.Sequential(nn.Linear(1, 2), nn.LayerNorm(2, elementwise_affine=False))
    group = Group(
        name="0",
        channels=2,
        cuts=(
            Cut(tensor="0.weight", dim=0, role="output"),
            Cut(tensor="1.normalized_shape", dim=0, role="channel"),
        ),
    )
    expected = tensor(net, "0.weight").detach().flatten().abs().tolist()
    assert scores_of(net, "group-l1", group) == pytest.approx(expected)


def test_a_weight_under_two_names_counts_once() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    net = nn.ModuleDict({"a": first, "b": second})
    group = Group(
        name="a",
        channels=3,
        cuts=tuple(Cut(tensor=f"{name}.weight", dim=1, role="input") for name in "ab"),
    )
    expected = first.weight.detach().abs().sum(dim=0).tolist()
    assert scores_of(net, "l1-outgoing", group) == pytest.approx(expected)


@pytest.mark.parametrize(("name", "power"), [("group-l1", 1), ("group-l2", 2)])
def test_group_norms_are_those_of_torch_pruning(name: str, power: int) -> None:
    torch_pruning = pytest.importorskip("torch_pruning")
    cnn = nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 3, 3),
        nn.Flatten(),
        nn.Linear(3 * 4, 2),
    ).eval()
    nn.init.normal_(tensor(cnn, "1.weight"))
    image = torch.zeros(1, 2, 6, 6)
    graph = find_groups(cnn, (image,))
    theirs = torch_pruning.DependencyGraph().build_dependency(cnn, example_inputs=image)
    judge = torch_pruning.importance.GroupMagnitudeImportance(
        p=power, group_reduction="sum", normalizer=None
    )
    prune = torch_pruning.prune_conv_out_channels
    for group, layer, scores in zip(
        graph.groups, (cnn[0], cnn[3]), score_groups(cnn, graph, name), strict=True
    ):
        coupled = theirs.get_pruning_group(layer, prune, idxs=list(range(group.channels)))
        expected = judge(coupled).double().pow(1 / power)
        assert scores.tolist() == pytest.approx(expected.tolist(), rel=1e-5)


# --- planted


@pytest.mark.parametrize("criterion", ["l1-outgoing", "taylor"])
def test_a_channel_that_sends_nothing_on_scores_lowest(criterion: str) -> None:
    mlp = MLP((2, 8, 2), "tanh")
    with torch.no_grad():
        tensor(mlp, "0.weight")[5] *= 50
        tensor(mlp, "2.weight")[:, 5] = 0
    (scores,) = score_groups(mlp, chain_groups(mlp), criterion, batches=some_batches(), loss=mse)
    assert scores[5] == 0
    assert scores.argmin() == 5
    assert (scores > 0).sum() == 7


def test_a_dead_neuron_scores_lowest_by_activation() -> None:
    mlp = MLP((2, 8, 2), "relu")
    with torch.no_grad():
        tensor(mlp, "0.bias")[:] = 2
        tensor(mlp, "0.bias")[3] = -1e3
        tensor(mlp, "2.weight")[:, 3] = 1e3
    (scores,) = score_groups(mlp, chain_groups(mlp), "activation", batches=some_batches())
    assert scores[3] == 0
    assert scores.argmin() == 3


def test_a_duplicate_in_the_middle_scores_lowest_by_geometric_median() -> None:
    mlp = MLP((2, 6, 2), "tanh")
    with torch.no_grad():
        tensor(mlp, "0.bias").zero_()
        corners = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]
        tensor(mlp, "0.weight").copy_(torch.tensor([*corners, [0.1, 0.1], [0.1, 0.1]]))
    (scores,) = score_groups(mlp, chain_groups(mlp), "geometric-median")
    assert set(scores.argsort()[:2].tolist()) == {4, 5}
    assert scores[4] == scores[5]


def test_equal_channels_are_exactly_nothing_apart() -> None:
    layer = nn.Sequential(nn.Linear(50, 30))
    with torch.no_grad():
        tensor(layer, "0.weight").copy_(torch.randn(50).expand(30, 50))
    group = Group(name="0", channels=30, cuts=(Cut(tensor="0.weight", dim=0, role="output"),))
    assert scores_of(layer, "geometric-median", group) == [0.0] * 30


# --- what all of them promise


@pytest.mark.parametrize("name", IMPORTANCES)
def test_every_criterion_gives_finite_scores_again_and_again(name: str) -> None:
    mlp = MLP((2, 6, 5, 2), "relu")
    graph = chain_groups(mlp)
    first, second = (
        score_groups(mlp, graph, name, batches=some_batches(), loss=mse, seed=3) for _ in range(2)
    )
    for group, scores, again in zip(graph.groups, first, second, strict=True):
        assert scores.shape == (group.channels,)
        assert (scores.dtype, scores.device.type) == (torch.float64, "cpu")
        assert not scores.requires_grad
        assert scores.isfinite().all()
        assert (scores >= 0).all()
        assert torch.equal(scores, again)


def test_the_table_is_keyed_by_name_and_says_what_each_needs() -> None:
    assert next(iter(IMPORTANCES)) == "l1-outgoing"
    assert all(row.name == name and row.words for name, row in IMPORTANCES.items())
    assert {name for name, row in IMPORTANCES.items() if row.needs_data} == {"taylor", "activation"}


def test_random_scores_follow_the_seed_and_the_name_of_the_group() -> None:
    mlp = MLP((2, 6, 6, 2), "relu")
    graph = chain_groups(mlp)
    first, second = score_groups(mlp, graph, "random", seed=1)
    assert not torch.equal(first, second)
    assert not torch.equal(first, score_groups(mlp, graph, "random", seed=2)[0])
    alone = score_groups(mlp, graph_of(graph.groups[1]), "random", seed=1)[0]
    assert torch.equal(second, alone)


def test_no_groups_have_no_scores() -> None:
    assert score_groups(known_mlp(), graph_of(), "l1-outgoing") == ()


# --- a user's own


def largest_outgoing(weights: Mapping[str, Tensor], group: Group) -> Tensor:
    part = next(part for part in group.cuts if part.role == "input")
    return weights[part.tensor].abs().amax(dim=0)


def test_a_users_function_scores_by_the_weights() -> None:
    (scores,) = score_groups(known_mlp(), graph_of(HIDDEN), largest_outgoing)
    assert scores.tolist() == [3.0, 2.0, 0.25]
    assert scores.dtype == torch.float64
    assert importance_name(largest_outgoing).endswith("test_importance:largest_outgoing")
    assert importance_name("taylor") == "taylor"


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1.0, 2.0, 3.0], r"gave list for '0', expected .* a torch.Tensor of shape \(3,\)"),
        (torch.zeros(2), r"shape \(2,\) for '0', expected one floating-point score for each of 3"),
        (torch.zeros(3, 1), r"shape \(3, 1\)"),
        (torch.zeros(3, dtype=torch.int64), "torch.int64"),
        (torch.zeros(3, dtype=torch.complex64), "torch.complex64"),
        (torch.tensor([0, math.nan, 1]), "'0' by .* no finite numbers in 1 of 3 .* channel 1"),
        (torch.tensor([0, 1, -math.inf]), "no finite numbers in 1 of 3 .* channel 2"),
    ],
)
def test_what_a_users_function_gives_is_checked(result: object, message: str) -> None:
    with pytest.raises(PruningError, match=message):
        score_groups(known_mlp(), graph_of(HIDDEN), lambda weights, group: result)  # type: ignore[arg-type,return-value]


def test_a_users_function_that_fails_is_told_in_words() -> None:
    def broken(weights: Mapping[str, Tensor], group: Group) -> Tensor:
        return weights["nowhere"]

    with pytest.raises(PruningError, match=r"broken failed on '0': KeyError: 'nowhere'"):
        score_groups(known_mlp(), graph_of(HIDDEN), broken)


def test_a_users_function_cannot_change_the_network() -> None:
    mlp = known_mlp().double()

    def rude(weights: Mapping[str, Tensor], group: Group) -> Tensor:
        return weights["2.weight"].zero_().sum(dim=0)

    score_groups(mlp, graph_of(HIDDEN), rude)
    assert tensor(mlp, "2.weight")[0, 0] == 1


# --- refusals


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown importance 'l3'; known: l1-outgoing, .*taylor"):
        find_criterion("l3")
    with pytest.raises(UsageError, match="unknown importance"):
        score_groups(known_mlp(), graph_of(HIDDEN), "l3")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["l1-outgoing", "l1-incoming", "group-l2", "geometric-median"])
def test_weights_that_are_no_numbers_are_refused_with_the_layer(name: str, bad: float) -> None:
    mlp = known_mlp()
    with torch.no_grad():
        tensor(mlp, "0.weight")[1, 0] = bad
        tensor(mlp, "2.weight")[0, 1] = bad
    with pytest.raises(PruningError, match=f"scores of '0' by {name} are no finite numbers"):
        score_groups(mlp, graph_of(HIDDEN), name)


@pytest.mark.parametrize(
    ("name", "role", "message"),
    [
        ("l1-outgoing", "output", "no layer takes the channels of 'x'"),
        ("taylor", "output", "no layer takes the channels of 'x'"),
        ("l1-incoming", "input", "no layer makes the channels of 'x'"),
        ("group-l1", "bias", "'x' has no weights"),
    ],
)
def test_a_group_without_the_weights_to_judge_by_is_refused(
    name: str, role: str, message: str
) -> None:
    part = (
        Cut(tensor="0.bias", dim=0, role="output")
        if role == "bias"
        else Cut(tensor="0.weight", dim=0, role=role)
    )
    group = Group(name="x", channels=3, cuts=(part,))
    with pytest.raises(PruningError, match=f"{message}.*--importance"):
        score_groups(known_mlp(), graph_of(group), name, batches=some_batches(), loss=mse)
