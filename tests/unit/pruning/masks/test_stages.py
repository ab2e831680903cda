import itertools
from typing import Any

import pytest
import torch
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning import apply_pruning, mask_in_stages, parse_schedule
from spinn_edge.pruning.masks.applying import count_regrown
from spinn_edge.pruning.masks.fine_tuning import fine_tune
from spinn_edge.pruning.masks.stages import StageState
from spinn_edge.pruning.schedule import Stage
from spinn_edge.training.fitting import Fit
from tests.unit.pruning.masks.networks import ConvNet, batches, mlp

FOUR = "0.3:2:1e-2,0.3:1:5e-3,0.2:1:2e-3,0.2:1:1e-3"
WEIGHTS = 4 * 40 + 40 * 40 + 40 * 2


def tune(network: nn.Module, stage: Stage, number: int) -> Fit:
    return fine_tune(
        network,
        batches(),
        batches(2, seed=1),
        lambda p: torch.optim.AdamW(p, lr=stage.learning_rate, weight_decay=0.1),
        nn.functional.mse_loss,
        "cpu",
        stage.epochs,
    )


def never(network: nn.Module, stage: Stage, number: int) -> Fit:
    raise AssertionError("trained")


def ended(network: nn.Module, stage: Stage, number: int) -> Fit:
    return Fit(history=(), interrupted=False)


def gone(masks: dict[str, torch.Tensor]) -> int:
    return sum(int((~mask).sum()) for mask in masks.values())


def run(network: nn.Module, text: str = FOUR, **options: Any) -> Any:
    given: dict[str, Any] = {"tune": tune, "stages": parse_schedule(text)}
    return mask_in_stages(network, **(given | options))


def test_counts_follow_the_schedule_exactly_and_nothing_regrows() -> None:
    network = mlp(4, 40, 40, 2)
    states = list[StageState]()

    masked = run(network, target=0.685, on_stage=states.append)

    records = masked.masking.stages
    assert [record.requested for record in records] == pytest.approx([0.3, 0.51, 0.608, 0.6864])
    for record in records:
        assert abs(record.achieved - record.requested) <= 0.001
        assert record.nonzero_weights <= record.weights * (1 - record.achieved) + 0.5
        assert record.weights == WEIGHTS
        assert record.regrown == 0
        assert record.score is not None
    nonzero = [record.nonzero_weights for record in records]
    assert nonzero == sorted(nonzero, reverse=True)
    assert len(set(nonzero)) == 4
    assert [record.epochs for record in records] == [2, 1, 1, 1]
    assert [gone(state.masks) for state in states[1:]] == [
        record.weights - round(record.weights * (1 - record.achieved)) for record in records
    ]
    for before, after in itertools.pairwise(states):
        assert all(not (after.masks[name] & ~before.masks[name]).any() for name in after.masks)
    assert count_regrown(masked.module, masked.masks) == 0
    assert list(masked.module.state_dict()) == list(network.state_dict())
    assert bool(network[0].weight.all())  # the given network is as it was


def test_state_of_a_stage_is_a_copy_of_the_plain_network_at_its_end() -> None:
    states = list[StageState]()
    masked = run(mlp(4, 40, 40, 2), on_stage=states.append)
    fresh = mlp(4, 40, 40, 2, seed=5)
    fresh.load_state_dict(states[-1].weights)
    x = torch.randn(5, 4)
    assert torch.equal(fresh(x), masked.module(x))
    assert not torch.equal(states[0].weights["0.weight"], states[-1].weights["0.weight"])


def test_layers_are_counted_with_their_biases() -> None:
    (record,) = run(mlp(4, 40, 40, 2), "0.5:1:1e-3", scope="layer").masking.stages
    assert [(layer.name, layer.parameters) for layer in record.layers] == [
        ("0", 200),
        ("2", 1640),
        ("4", 82),
    ]
    assert [layer.nonzeros for layer in record.layers] == [120, 840, 42]


def test_target_out_of_reach_is_refused_before_any_training() -> None:
    with pytest.raises(PruningError, match="would reach it"):
        run(mlp(), "0.3:1:1e-3", target=0.685, tune=never)


def test_masks_of_before_count_towards_the_target() -> None:
    network = mlp(4, 40, 40, 2)
    _, masks = apply_pruning(mlp(4, 40, 40, 2), 0.5)
    masked = run(network, "0.5:1:1e-3", existing_masks=masks, target=0.75)
    assert masked.masking.masked_before == pytest.approx(0.5)
    assert masked.masking.stages[0].achieved == pytest.approx(0.75, abs=0.001)
    assert all(not (masked.masks[name] & ~masks[name]).any() for name in masks)


def test_pattern_takes_one_stage_and_names_what_it_left_alone() -> None:
    masked = run(mlp(6, 8, 8, 2), "0.5:1:1e-3", pattern="2:4", tune=ended)
    assert masked.masking.pattern == "2:4"
    assert masked.masking.left_alone == {"0.weight": "6 inputs, no multiple of 4"}
    assert masked.masking.stages[0].achieved == pytest.approx((32 + 8) / (48 + 64 + 16))


@pytest.mark.parametrize("text", ["0.3:1:1e-3", "0.5:1:1e-3,0.5:1:1e-3"])
def test_pattern_with_another_schedule_is_refused(text: str) -> None:
    with pytest.raises(PruningError, match=r"give one stage of ratio 0\.5"):
        run(mlp(), text, pattern="2:4", tune=never)


def test_pattern_that_misses_the_target_is_refused_before_training_with_its_reasons() -> None:
    with pytest.raises(PruningError, match=r"masks 31\.25% .* '0.weight' is left alone: 6 inputs"):
        run(mlp(6, 8, 8, 2), "0.5:1:1e-3", pattern="2:4", target=0.5, tune=never)


def test_interrupted_stage_is_the_last() -> None:
    def stop(network: nn.Module, stage: Stage, number: int) -> Fit:
        return Fit(history=(), interrupted=number == 2)

    masked = run(mlp(4, 40, 40, 2), tune=stop)
    assert masked.interrupted
    assert len(masked.masking.stages) == 2


def test_tuning_that_writes_past_the_masks_is_an_error() -> None:
    def careless(network: nn.Module, stage: Stage, number: int) -> Fit:
        network[0].weight_mask.fill_(1)  # type: ignore[index]
        network[0].weight_orig.data.fill_(1)  # type: ignore[index]
        return Fit(history=(), interrupted=False)

    with pytest.raises(PruningError, match="masked weights are not 0 any more"):
        run(mlp(4, 40, 40, 2), "0.5:1:1e-3", tune=careless)


def test_convolutions_are_masked_in_stages_too() -> None:
    masked = run(ConvNet(), "0.3:1:1e-3,0.3:1:1e-3", tune=ended)
    assert masked.masking.stages[-1].achieved == pytest.approx(0.51, abs=0.002)
    assert torch.isfinite(masked.module(torch.randn(2, 3, 8, 8))).all()
