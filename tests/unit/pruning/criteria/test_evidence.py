"""Data is run through a network to judge its channels, and the network must not notice."""

import copy

import pytest
import torch
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import Cut
from spinn_edge.models.modules import MLP
from spinn_edge.pruning.criteria.importance import score_groups
from spinn_edge.pruning.graph.chain import chain_groups
from spinn_edge.pruning.graph.groups import ChannelGraph, Group
from spinn_edge.training.fitting import Batches, Loss

mse = nn.functional.mse_loss
X, Y = torch.linspace(-1, 1, 16).reshape(8, 2), torch.linspace(0, 1, 8).reshape(8, 1)

DATA = ("taylor", "activation")


@pytest.fixture(autouse=True)
def same_weights() -> None:
    torch.manual_seed(0)


def simple() -> tuple[MLP, ChannelGraph]:
    mlp = MLP((2, 4, 1), "tanh")
    return mlp, chain_groups(mlp)


class Noisy(nn.Module):
    """Everything that a run could leave behind: a count, statistics, noise, frozen weights."""

    runs: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)
        self.dropout = nn.Dropout(0.5)
        self.register_buffer("runs", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        x = self.dropout(torch.relu(self.norm(self.first(x))))
        return self.last(x + 0.01 * torch.randn_like(x))


NOISY_GROUP = Group(
    name="first",
    channels=4,
    cuts=(
        Cut(tensor="first.weight", dim=0, role="output"),
        Cut(tensor="norm.weight", dim=0, role="channel"),
        Cut(tensor="last.weight", dim=1, role="input"),
    ),
)


@pytest.mark.parametrize("criterion", DATA)
def test_a_network_is_as_it_was(criterion: str) -> None:
    net = Noisy().train()
    net.norm.eval()
    net.last.weight.requires_grad_(False)
    net.first.weight.grad = torch.ones(4, 2)
    weights = copy.deepcopy(net.state_dict())
    generator = torch.random.get_rng_state()

    score_groups(net, ChannelGraph(groups=(NOISY_GROUP,)), criterion, batches=[(X, Y)], loss=mse)

    assert all(torch.equal(weights[name], tensor) for name, tensor in net.state_dict().items())
    assert [m.training for m in net.modules()] == [True, True, False, True, True]
    assert [p.requires_grad for p in net.parameters()] == [True, True, True, True, False, True]
    assert torch.equal(net.first.weight.grad, torch.ones(4, 2))
    assert all(p.grad is None for name, p in net.named_parameters() if name != "first.weight")
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert torch.equal(generator, torch.random.get_rng_state())


@pytest.mark.parametrize("criterion", DATA)
def test_a_network_is_as_it_was_also_when_it_fails(criterion: str) -> None:
    mlp, graph = simple()
    mlp.train()
    with pytest.raises(PruningError):
        score_groups(mlp, graph, criterion, batches=[(X, Y), (X[:, :1], Y)], loss=mse)
    assert mlp.training
    assert not any(m._forward_hooks for m in mlp.modules())


@pytest.mark.parametrize("criterion", DATA)
def test_chance_in_a_network_follows_the_seed_and_not_the_process(criterion: str) -> None:
    net, graph = Noisy(), ChannelGraph(groups=(NOISY_GROUP,))
    runs = []
    for seed in (1, 1, 2):
        torch.rand(1)
        found = score_groups(net, graph, criterion, batches=[(X, Y)], loss=mse, seed=seed)
        runs.append(found[0])
    assert torch.equal(runs[0], runs[1])
    assert criterion == "activation" or not torch.equal(runs[1], runs[2])


@pytest.mark.parametrize("criterion", DATA)
def test_a_network_is_judged_in_evaluation_mode(criterion: str) -> None:
    net = nn.Sequential(
        nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.ReLU(), nn.Linear(4, 1)
    )
    cuts = (
        Cut(tensor="0.weight", dim=0, role="output"),
        Cut(tensor="4.weight", dim=1, role="input"),
    )
    graph = ChannelGraph(groups=(Group(name="0", channels=4, cuts=cuts),))
    training, evaluation = (
        score_groups(mode, graph, criterion, batches=[(X, Y)], loss=mse)[0]
        for mode in (copy.deepcopy(net).train(), copy.deepcopy(net).eval())
    )
    assert torch.equal(training, evaluation)


def test_a_batch_that_is_cut_in_two_counts_by_its_rows() -> None:
    mlp, graph = simple()
    whole = score_groups(mlp, graph, "activation", batches=[(X, Y)])[0]
    parts = [(X[:5], Y[:5]), (X[5:], Y[5:]), (X[:0], Y[:0])]
    cut_in_two = score_groups(mlp, graph, "activation", batches=parts)[0]
    assert cut_in_two.tolist() == pytest.approx(whole.tolist())


def test_frozen_weights_and_weights_without_influence_are_scored() -> None:
    mlp, graph = simple()
    mlp.requires_grad_(False)
    scores = score_groups(mlp, graph, "taylor", batches=[(X, Y)], loss=mse)[0]
    assert (scores > 0).all()
    unused = nn.ModuleDict({"used": mlp, "spare": nn.Linear(4, 1)})
    unused.forward = lambda x: mlp(x)
    groups = (
        Group(name="0", channels=4, cuts=(Cut(tensor="used.2.weight", dim=1, role="input"),)),
        Group(name="s", channels=4, cuts=(Cut(tensor="spare.weight", dim=1, role="input"),)),
    )
    found = score_groups(unused, ChannelGraph(groups=groups), "taylor", batches=[(X, Y)], loss=mse)
    assert torch.equal(found[0], scores)
    assert found[1].tolist() == [0, 0, 0, 0]


def scalarless(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).square()


@pytest.mark.parametrize(
    ("criterion", "batches", "loss", "message"),
    [
        ("taylor", None, mse, "'taylor' is measured on data, and none was given.*--data"),
        ("activation", None, None, "'activation' is measured on data"),
        ("taylor", [(X, Y)], None, "'taylor' needs a loss"),
        ("taylor", [], mse, "batches for the importance 'taylor' gave no samples"),
        ("activation", [(X[:0], Y[:0])], None, "'activation' gave no samples"),
        ("taylor", [(X, Y)], scalarless, r"the loss gave shape \(8, 1\), expected one number"),
        ("taylor", [(X[:, :1], Y)], mse, "could not be run on the data .*'taylor': RuntimeError"),
        ("activation", [(X.double(), Y)], None, "could not be run on the data .*'activation'"),
        ("activation", [X], None, "could not be run on the data"),
        ("taylor", [(X, Y * float("nan"))], mse, "scores of '0' by taylor are no finite numbers"),
        ("activation", [(X / 0, Y)], None, "scores of '0' by activation are no finite numbers"),
    ],
)
def test_data_that_cannot_be_used_is_refused(
    criterion: str, batches: Batches | None, loss: Loss | None, message: str
) -> None:
    mlp, graph = (MLP((2, 4, 1), "relu"), None)
    graph = chain_groups(mlp)
    with pytest.raises(PruningError, match=message):
        score_groups(mlp, graph, criterion, batches=batches, loss=loss)


@pytest.mark.parametrize("criterion", ["l1-outgoing", "taylor"])
def test_groups_of_another_network_are_refused(criterion: str) -> None:
    mlp, _ = simple()
    elsewhere = Group(name="x", channels=4, cuts=(Cut(tensor="9.weight", dim=1, role="input"),))
    too_wide = Group(name="x", channels=5, cuts=(Cut(tensor="2.weight", dim=1, role="input"),))
    for group, message in ((elsewhere, "'9.weight', which the network"), (too_wide, "5 channels")):
        with pytest.raises(PruningError, match=message):
            score_groups(mlp, ChannelGraph(groups=(group,)), criterion, batches=[(X, Y)], loss=mse)
