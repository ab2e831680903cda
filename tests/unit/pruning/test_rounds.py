import copy
import itertools
from typing import Any

import pytest
import torch
from torch import nn

import spinn_edge.pruning as package
from spinn_edge.core.errors import PruningError
from spinn_edge.models.modules import MLP, linear_layers
from spinn_edge.pruning import rounds as rounds_module
from spinn_edge.pruning.plan import RoundPlan
from spinn_edge.pruning.rounds import count, prune_in_rounds, remove_neurons
from spinn_edge.training.fitting import Epoch, Fit

DEMO = (18, 512, 512, 512, 256, 2)


def no_tuning(network: nn.Module, number: int) -> Fit:
    return Fit(history=(), interrupted=False)


def scored(network: nn.Module, number: int) -> Fit:
    epoch = Epoch(number=1, train_loss=1.0, validation_loss=number / 10, best=True)
    return Fit(history=(epoch,), interrupted=False)


def interrupted_in(round_number: int) -> Any:
    return lambda network, number: Fit(history=(), interrupted=number == round_number)


def small_mlp() -> MLP:
    return MLP((6, 64, 64, 2), "tanh")


def test_demo_network_loses_what_was_asked_for_within_a_third_of_a_point() -> None:
    mlp = MLP(DEMO, "tanh")

    pruned = prune_in_rounds(mlp, tune=no_tuning, target=0.685, rounds=3)

    left = sum(parameter.numel() for parameter in pruned.module.parameters())
    assert abs((1 - left / 666_882) - 0.685) < 0.003
    audit = pruned.audit
    assert (audit.parameters_before, audit.parameters_after) == (666_882, left)
    assert audit.achieved == pytest.approx(1 - left / 666_882)
    assert (audit.requested, audit.tolerance, audit.round_to) == (0.685, 0.003, 1)
    assert [layer.before for layer in audit.layers] == [512, 512, 512, 256]
    assert [layer.after for layer in audit.layers] == list(pruned.module.widths[1:-1])
    assert [layer.name for layer in audit.layers] == ["0", "2", "4", "6"]
    assert not pruned.module.training
    assert pruned.module(torch.zeros(2, 18)).shape == (2, 2)


def test_rounded_widths_are_multiples_and_the_audit_says_that_no_tolerance_applied() -> None:
    pruned = prune_in_rounds(
        MLP((6, 100, 60, 2), "relu"), tune=no_tuning, target=0.6, rounds=2, round_to=8
    )

    assert all(width % 8 == 0 for width in pruned.module.widths[1:-1])
    assert (pruned.audit.tolerance, pruned.audit.round_to) == (None, 8)


def test_each_round_is_announced_pruned_tuned_and_audited() -> None:
    events: list[Any] = []

    def tune(network: nn.Module, number: int) -> Fit:
        assert isinstance(network, MLP)
        events.append(("tune", number, network.widths))
        return scored(network, number)

    def on_round(number: int, plan: RoundPlan) -> None:
        events.append(("round", number, plan.widths))

    pruned = prune_in_rounds(small_mlp(), tune=tune, target=0.6, rounds=3, on_round=on_round)

    audits = pruned.audit.rounds
    assert events == [
        event
        for number, audit in enumerate(audits, start=1)
        for event in (("round", number, audit.widths), ("tune", number, audit.widths))
    ]
    assert [audit.score for audit in audits] == [0.1, 0.2, 0.3]
    parameters = [pruned.audit.parameters_before, *(audit.parameters for audit in audits)]
    assert all(a > b for a, b in itertools.pairwise(parameters))
    assert pruned.audit.parameters_after == parameters[-1] == count(pruned.module)
    assert audits[-1].requested == pytest.approx(0.6)
    assert len(pruned.fits) == 3


def test_round_builds_on_the_weights_of_the_round_before() -> None:
    def tune(network: nn.Module, number: int) -> Fit:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.fill_(float(number))
        return scored(network, number)

    seen: list[float] = []

    def on_tune(network: nn.Module, number: int) -> Fit:
        seen.append(float(next(network.parameters()).detach().mean()))
        return tune(network, number)

    prune_in_rounds(small_mlp(), tune=on_tune, target=0.6, rounds=3)

    assert seen[1:] == [1.0, 2.0]


def test_given_network_is_not_changed() -> None:
    mlp = small_mlp().train()
    before = copy.deepcopy(mlp.state_dict())

    def ruin(network: nn.Module, number: int) -> Fit:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
        return scored(network, number)

    prune_in_rounds(mlp, tune=ruin, target=0.5, rounds=2)

    assert mlp.widths == (6, 64, 64, 2)
    assert mlp.training
    for name, tensor in mlp.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_neurons_that_matter_stay() -> None:
    mlp = MLP((3, 10, 2), "tanh").eval()
    with torch.no_grad():
        linear_layers(mlp)[1].weight[:, [1, 4, 7]] *= 1e-6

    small = remove_neurons(mlp, (3, 7, 2))

    x = torch.randn(50, 3)
    torch.testing.assert_close(small(x), mlp(x), rtol=1e-4, atol=1e-4)


def test_round_without_an_epoch_has_no_score() -> None:
    pruned = prune_in_rounds(small_mlp(), tune=no_tuning, target=0.5, rounds=1)

    assert pruned.audit.rounds[0].score is None


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_interrupted_round_ends_with_a_truthful_audit(stop: int) -> None:
    pruned = prune_in_rounds(small_mlp(), tune=interrupted_in(stop), target=0.6, rounds=3)

    assert pruned.interrupted
    assert len(pruned.fits) == len(pruned.audit.rounds) == stop
    assert pruned.audit.parameters_after == count(pruned.module)
    assert pruned.audit.requested == 0.6
    assert pruned.audit.achieved == pytest.approx(pruned.audit.rounds[-1].achieved)
    assert [layer.after for layer in pruned.audit.layers] == list(pruned.module.widths[1:-1])
    if stop < 3:
        assert pruned.audit.achieved < 0.55


# Refusals


@pytest.mark.parametrize("target", [0.0, 1.0, 1.2, -0.1])
def test_target_that_is_no_share_is_refused_before_any_tuning(target: float) -> None:
    def tune(network: nn.Module, number: int) -> Fit:
        pytest.fail("nothing may be tuned")

    with pytest.raises(PruningError, match="above 0 and below 1"):
        prune_in_rounds(small_mlp(), tune=tune, target=target)


def test_unknown_importance_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PruningError, match="unknown importance 'taylor'; known: l1-outgoing"):
        prune_in_rounds(small_mlp(), tune=no_tuning, importance="taylor")


def test_more_rounds_than_neurons_are_refused() -> None:
    with pytest.raises(PruningError, match="7 rounds asked for"):
        prune_in_rounds(MLP((3, 4, 4, 1), "tanh"), tune=no_tuning, target=0.5, rounds=7)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.a(x)) + x
        return torch.as_tensor(self.c(torch.tanh(self.b(x)) + x))


def tied() -> nn.Module:
    network = nn.Sequential(
        nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2)
    )
    network[2].weight = network[0].weight
    return network


def without_bias() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 64, bias=False), nn.Tanh(), nn.Linear(64, 2))


@pytest.mark.parametrize(
    "network",
    [
        Residual(),
        tied(),
        without_bias(),
        nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Tanh(), nn.Linear(64, 2)),
        nn.Sequential(nn.Conv1d(1, 4, 3), nn.Flatten(), nn.Linear(64, 64), nn.Linear(64, 2)),
        nn.Sequential(
            nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Softmax(1), nn.Linear(64, 2)
        ),
    ],
    ids=["residual", "tied weights", "no bias", "batch norm", "convolution", "softmax"],
)
def test_network_that_is_no_plain_mlp_is_refused_before_any_tuning(network: nn.Module) -> None:
    def tune(network: nn.Module, number: int) -> Fit:
        pytest.fail("nothing may be tuned")

    with pytest.raises(PruningError, match="plain"):
        prune_in_rounds(network, tune=tune, target=0.5, rounds=1)


def test_tuning_that_changes_the_network_fails_the_audit() -> None:
    def shrink_more(network: nn.Module, number: int) -> Fit:
        assert isinstance(network, MLP)
        following = network[2]
        assert isinstance(following, nn.Linear)
        network[0], network[2] = nn.Linear(6, 3), nn.Linear(3, following.out_features)
        return scored(network, number)

    with pytest.raises(PruningError, match=r"audit failed: 50\.00% of the parameters were to go"):
        prune_in_rounds(small_mlp(), tune=shrink_more, target=0.5, rounds=1)


def test_plan_that_misses_the_target_fails_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = RoundPlan(widths=(6, 64, 60, 2), requested=0.5, achieved=1 - (448 + 3900 + 122) / 4738)
    monkeypatch.setattr(rounds_module, "plan_rounds", lambda *args, **options: (plan,))

    with pytest.raises(PruningError, match=r"audit failed: .* and 5\.66% are gone"):
        prune_in_rounds(small_mlp(), tune=no_tuning, target=0.5, rounds=1)


# The package's front door


@pytest.mark.parametrize("name", package.__all__)
def test_public_names_are_loaded_when_asked_for(name: str) -> None:
    assert getattr(package, name).__module__.startswith("spinn_edge.pruning.")


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'prune_everything'"):
        package.prune_everything  # noqa: B018
