import copy
import itertools
import json
from typing import Any

import pytest
import torch
from torch import nn

import spinn_edge.pruning as package
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.models.cutting import cut
from spinn_edge.models.modules import MLP, linear_layers
from spinn_edge.pruning import rounds as rounds_module
from spinn_edge.pruning.request import PruningRequest
from spinn_edge.pruning.rounds import (
    PrunedModel,
    RoundEvents,
    RoundState,
    count,
    leave_untuned,
    prune_in_rounds,
)
from spinn_edge.pruning.targets.amounts import count_amount
from spinn_edge.pruning.targets.limits import Limits
from spinn_edge.pruning.targets.plan import RoundPlan
from spinn_edge.training.fitting import Epoch, Fit
from tests.fakes.prunable_networks import FAMILY, SIX, Prunable

DEMO = (18, 512, 512, 512, 256, 2)


def prune(
    module: Any,
    *,
    tune: Any = leave_untuned,
    on_round: Any = lambda number, plan: None,
    example: tuple[torch.Tensor, ...] = (),
    round_to: int = 1,
    **options: Any,
) -> PrunedModel[Any]:
    request = PruningRequest(limits=Limits(round_to=round_to), **options)
    return prune_in_rounds(
        module, request, tune=tune, example=example, events=RoundEvents(on_round=on_round)
    )


def scored(network: nn.Module, number: int) -> Fit:
    epoch = Epoch(number=1, train_loss=1.0, validation_loss=number / 10, best=True)
    return Fit(history=(epoch,), interrupted=False)


def interrupted_in(round_number: int) -> Any:
    return lambda network, number: Fit(history=(), interrupted=number == round_number)


def small_mlp() -> MLP:
    return MLP((6, 64, 64, 2), "tanh")


def test_demo_network_loses_what_was_asked_for_within_a_third_of_a_point() -> None:
    mlp = MLP(DEMO, "tanh")

    pruned = prune(mlp, tune=leave_untuned, target=0.685, rounds=3)

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
    pruned = prune(
        MLP((6, 100, 60, 2), "relu"), tune=leave_untuned, target=0.6, rounds=2, round_to=8
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

    pruned = prune(small_mlp(), tune=tune, target=0.6, rounds=3, on_round=on_round)

    audits = pruned.audit.rounds
    assert events == [
        event
        for number, audit in enumerate(audits, start=1)
        for event in (("round", number, audit.widths[1:-1]), ("tune", number, audit.widths))
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

    prune(small_mlp(), tune=on_tune, target=0.6, rounds=3)

    assert seen[1:] == [1.0, 2.0]


def test_given_network_is_not_changed() -> None:
    mlp = small_mlp().train()
    before = copy.deepcopy(mlp.state_dict())

    def ruin(network: nn.Module, number: int) -> Fit:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
        return scored(network, number)

    prune(mlp, tune=ruin, target=0.5, rounds=2)

    assert mlp.widths == (6, 64, 64, 2)
    assert mlp.training
    for name, tensor in mlp.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_neurons_that_matter_stay() -> None:
    mlp = MLP((3, 10, 2), "tanh").eval()
    with torch.no_grad():
        linear_layers(mlp)[1].weight[:, [1, 4, 7]] *= 1e-6

    small = prune(mlp, target=0.3, rounds=1, tolerance=None).module
    assert small.widths == (3, 7, 2)

    x = torch.randn(50, 3)
    torch.testing.assert_close(small(x), mlp(x), rtol=1e-4, atol=1e-4)


def test_round_without_an_epoch_has_no_score() -> None:
    pruned = prune(small_mlp(), tune=leave_untuned, target=0.5, rounds=1)

    assert pruned.audit.rounds[0].score is None


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_interrupted_round_ends_with_a_truthful_audit(stop: int) -> None:
    pruned = prune(small_mlp(), tune=interrupted_in(stop), target=0.6, rounds=3)

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
        prune(small_mlp(), tune=tune, target=target)


def test_unknown_importance_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown importance 'taylr'; known: l1-outgoing"):
        prune(small_mlp(), tune=leave_untuned, importance="taylr")


def test_more_rounds_than_neurons_are_refused() -> None:
    with pytest.raises(PruningError, match="7 rounds asked for"):
        prune(MLP((3, 4, 4, 1), "tanh"), tune=leave_untuned, target=0.5, rounds=7)


def test_tuning_that_changes_the_network_fails_the_audit() -> None:
    def shrink_more(network: nn.Module, number: int) -> Fit:
        assert isinstance(network, MLP)
        following = network[2]
        assert isinstance(following, nn.Linear)
        network[0], network[2] = nn.Linear(6, 3), nn.Linear(3, following.out_features)
        return scored(network, number)

    with pytest.raises(PruningError, match=r"audit failed: 50\.00% of the parameters were to go"):
        prune(small_mlp(), tune=shrink_more, target=0.5, rounds=1)


def test_count_that_misses_the_target_fails_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds_module, "count_amount", lambda by, module, example: 4738.0)

    with pytest.raises(PruningError, match=r"audit failed: .* and 0\.00% are gone"):
        prune(small_mlp(), target=0.5, rounds=1)


# Any network


@pytest.fixture(scope="module", params=SIX)
def family_member(request: pytest.FixtureRequest) -> Prunable:
    return FAMILY[request.param]


def test_any_network_loses_what_was_asked_for_and_equals_the_masked_one(
    family_member: Prunable,
) -> None:
    network = family_member.make()
    before = copy.deepcopy(network.state_dict())

    pruned = prune(network, target=0.6, rounds=2, example=family_member.example(), tolerance=0.005)

    left = sum(parameter.numel() for parameter in pruned.module.parameters())
    assert abs(1 - left / count(network) - 0.6) <= 0.005
    assert pruned.audit.achieved == pytest.approx(1 - left / count(network))
    assert all((one.exactness or 0) <= 1e-6 for one in pruned.audit.rounds)
    assert pruned.audit.rounds[-1].exactness is not None
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_plan_replayed_on_a_fresh_copy_gives_the_same_bits(family_member: Prunable) -> None:
    pruned = prune(
        family_member.make(),
        target=0.5,
        rounds=3,
        example=family_member.example(),
        tolerance=None,
    )

    document = json.dumps(encode(pruned.audit))
    audit = decode(PruningAudit, json.loads(document), where="audit")
    again = cut(family_member.make(), audit.plan)

    assert not again.training
    state = again.state_dict()
    assert list(state) == list(pruned.module.state_dict())
    for name, tensor in pruned.module.state_dict().items():
        assert torch.equal(tensor, state[name])


@pytest.mark.parametrize("by", ["parameters", "flops", "bytes"])
def test_quantity_is_counted_on_the_network_that_came_out(by: str) -> None:
    member = FAMILY["cnn"]

    pruned = prune(member.make(), target=0.5, rounds=1, by=by, example=member.example())

    audit = pruned.audit
    assert audit.amount_before is not None
    assert audit.amount_after == count_amount(by, pruned.module, member.example())
    assert abs(1 - audit.amount_after / audit.amount_before - 0.5) <= 0.003
    assert audit.by == by


def test_global_allocation_takes_channels_where_they_matter_least() -> None:
    mlp = MLP((6, 64, 64, 2), "tanh").eval()
    with torch.no_grad():
        linear_layers(mlp)[1].weight[:, :60] *= 1e-4  # most of the first layer's neurons

    even = prune(mlp, target=0.5, rounds=1)
    ranked = prune(mlp, target=0.5, rounds=1, allocation="global")

    assert ranked.module.widths[1] < even.module.widths[1]
    assert ranked.module.widths[2] > even.module.widths[2]
    assert abs(ranked.audit.achieved - 0.5) <= 0.003


def test_given_widths_are_what_comes_out_and_rounds_lead_there() -> None:
    pruned = prune(small_mlp(), by="latency", widths=(20, 48), rounds=3)

    assert pruned.module.widths == (6, 20, 48, 2)
    assert len(pruned.audit.rounds) == 3
    assert pruned.audit.requested == pytest.approx(pruned.audit.achieved)


def test_schedule_says_what_is_gone_after_each_round() -> None:
    pruned = prune(MLP((8, 200, 200, 2), "relu"), shares=(0.3, 0.51, 0.608), target=0.608)

    assert [one.requested for one in pruned.audit.rounds] == [0.3, 0.51, 0.608]
    assert [one.achieved for one in pruned.audit.rounds] == pytest.approx(
        [0.3, 0.51, 0.608], abs=0.005
    )


def test_run_goes_on_behind_a_round_as_if_it_had_not_stopped() -> None:
    states: list[RoundState[MLP]] = []

    def nudge(network: nn.Module, number: int) -> Fit:
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1 + 0.01 * number)
        return scored(network, number)

    request = PruningRequest(target=0.6, rounds=3)
    whole = prune_in_rounds(
        MLP((6, 64, 64, 2), "tanh"),
        request,
        tune=nudge,
        events=RoundEvents(after_round=states.append),
    )
    again = prune_in_rounds(states[0].module, request, tune=nudge, begin=states[2])

    assert [state.number for state in states] == [0, 1, 2, 3]
    assert again.audit.plan == whole.audit.plan
    assert [one.widths for one in again.audit.rounds] == [one.widths for one in whole.audit.rounds]
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, again.module.state_dict()[name])


def test_run_that_ends_early_was_asked_for_that_share() -> None:
    pruned = prune_in_rounds(small_mlp(), PruningRequest(target=0.6, rounds=3), last=1)

    assert len(pruned.audit.rounds) == 1
    assert pruned.audit.requested == pytest.approx(1 - 0.4 ** (1 / 3))
    assert pruned.audit.achieved == pytest.approx(pruned.audit.requested, abs=0.01)


def test_network_without_example_inputs_is_refused_with_what_to_give() -> None:
    with pytest.raises(PruningError, match="give example inputs"):
        prune(FAMILY["cnn"].make(), target=0.5)


@pytest.mark.parametrize(("option", "value"), [("by", "watts"), ("allocation", "random")])
def test_unknown_choice_is_refused_with_the_known_ones(option: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"unknown .* '{value}'; known: "):
        PruningRequest(**{option: value})  # type: ignore[arg-type]


# The package's front door


@pytest.mark.parametrize("name", package.__all__)
def test_public_names_are_loaded_when_asked_for(name: str) -> None:
    found = getattr(package, name)

    assert name == "IMPORTANCES" or found.__module__.startswith("spinn_edge.pruning.")


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'prune_everything'"):
        package.prune_everything  # noqa: B018
