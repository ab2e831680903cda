"""A stage of masking comes back from the disk as it was: weights, masks, record."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from spinn_edge.core.errors import BundleError, PruningError
from spinn_edge.pruning.masks.applying import apply_masks, count_regrown
from spinn_edge.pruning.masks.fine_tuning import fine_tune
from spinn_edge.pruning.masks.stage_state import load_state, to_stage
from spinn_edge.pruning.masks.stages import MaskedModel, StageState, mask_in_stages
from spinn_edge.pruning.schedule import Stage, parse_schedule
from spinn_edge.pruning.staged.stages import StageStore
from spinn_edge.training.fitting import Fit
from tests.unit.pruning.masks.networks import batches, mlp

WIDTHS = (4, 12, 12, 2)
THREE = parse_schedule("0.3:2:1e-2,0.3:1:5e-3,0.2:1:2e-3")


def tune(network: nn.Module, stage: Stage, number: int) -> Fit:
    return fine_tune(
        network,
        batches(seed=number),
        batches(2, seed=9),
        lambda p: torch.optim.AdamW(p, lr=stage.learning_rate, weight_decay=0.1),
        nn.functional.mse_loss,
        "cpu",
        stage.epochs,
    )


def run(store: StageStore | None = None, stages: Any = THREE, **options: Any) -> MaskedModel[Any]:
    given = mlp(*WIDTHS)

    def keep(state: StageState) -> None:
        if store is not None:
            store.save(to_stage(state, given, {"seed": 0}))

    return mask_in_stages(given, tune=tune, stages=stages, on_stage=keep, **options)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StageStore:
    made = StageStore(tmp_path_factory.mktemp("stages") / "b.stages")
    run(made)
    return made


def same(one: Any, other: Any) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_stage_comes_back_with_weights_masks_record_and_history(store: StageStore) -> None:
    states = list[StageState]()
    mask_in_stages(mlp(*WIDTHS), tune=tune, stages=THREE, on_stage=states.append)

    assert [state.number for state in states] == [0, 1, 2, 3]
    for state in states:
        loaded = load_state(store, state.number, mlp(*WIDTHS))
        for mine, kept in ((state.weights, loaded.weights), (state.masks, loaded.masks)):
            assert set(mine) == set(kept)
            assert all(torch.equal(mine[name], kept[name]) for name in mine)
        assert [replace(record, duration_s=0) for record in loaded.records] == [
            replace(record, duration_s=0) for record in state.records
        ]
        assert [fit.best and fit.best.number for fit in loaded.fits] == [
            fit.best and fit.best.number for fit in state.fits
        ]


def test_layers_of_every_stage_are_in_its_record(store: StageStore) -> None:
    counted = [sum(layer.nonzeros for layer in record.layers) for record in store.stages()]
    assert len(counted) == 4
    assert counted == sorted(counted, reverse=True)
    assert len(set(counted)) == 4
    assert [record.requested for record in store.stages()] == pytest.approx([0, 0.3, 0.51, 0.608])


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_run_that_goes_on_ends_with_the_same_bits(store: StageStore, number: int) -> None:
    whole = run()
    again = run(begin=load_state(store, number, mlp(*WIDTHS)))

    assert same(whole.module, again.module)
    assert all(torch.equal(whole.masks[name], again.masks[name]) for name in whole.masks)
    assert len(again.fits) == len(again.masking.stages) == 3
    assert [stage.nonzero_weights for stage in again.masking.stages] == [
        stage.nonzero_weights for stage in whole.masking.stages
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_last_ends_there_without_training(store: StageStore, number: int) -> None:
    def never(network: nn.Module, stage: Stage, number: int) -> Fit:
        raise AssertionError("trained")

    back = mask_in_stages(
        mlp(*WIDTHS),
        tune=never,
        stages=THREE,
        begin=load_state(store, number, mlp(*WIDTHS)),
        last=number,
    )

    assert len(back.masking.stages) == number
    assert back.masking.requested == pytest.approx([0, 0.3][number])
    assert back.masking.achieved == pytest.approx([0, 0.3][number], abs=0.003)
    assert not back.interrupted
    assert count_regrown(back.module, back.masks) == 0
    assert same(back.module, mlp(*WIDTHS)) == (number == 0)


def test_zero_that_no_mask_holds_may_move_after_coming_back(tmp_path: Path) -> None:
    given = mlp(*WIDTHS)
    with torch.no_grad():
        given[0].weight[3] = 0  # twelve zeros, no mask
    masks = {"2.weight": torch.ones(12, 12, dtype=torch.bool)}
    masks["2.weight"][0] = False
    apply_masks(given, masks)
    kept, seen = StageStore(tmp_path / "s"), list[StageState]()
    mask_in_stages(given, tune=tune, stages=THREE[:1], scope="layer", on_stage=seen.append)
    kept.save(to_stage(seen[0], given, {}))

    loaded = load_state(kept, 0, given)

    assert bool(loaded.masks["0.weight"].all())
    assert int((~loaded.masks["2.weight"]).sum()) == 12
    again = mask_in_stages(
        given, tune=tune, stages=parse_schedule("0.05:2:1e-2"), scope="layer", begin=loaded
    )
    # of the four zeros of that neuron the stage takes two; the others learn
    assert int(again.module[0].weight[3].count_nonzero()) == 2
    assert not again.module[2].weight[0].any()


def test_interrupted_stage_says_so_and_is_the_last() -> None:
    def stop(network: nn.Module, stage: Stage, number: int) -> Fit:
        return Fit(history=(), interrupted=number == 2)

    seen = list[StageState]()
    mask_in_stages(mlp(*WIDTHS), tune=stop, stages=THREE, on_stage=seen.append)
    assert [(state.number, state.interrupted) for state in seen] == [
        (0, False),
        (1, False),
        (2, True),
    ]


@pytest.mark.parametrize("widths", [(4, 12, 8, 2), (4, 12, 12, 12, 2)])
def test_stage_of_another_network_is_refused(store: StageStore, widths: tuple[int, ...]) -> None:
    with pytest.raises(BundleError, match=r"stage 1: its weights and masks do not fit"):
        load_state(store, 1, mlp(*widths))


def test_stage_without_masks_is_refused(store: StageStore, tmp_path: Path) -> None:
    stage = store.load(0)
    other = StageStore(tmp_path / "s")
    plain = {name: t for name, t in stage.weights.items() if not name.endswith("_mask")}
    other.save(replace(stage, weights=plain))
    with pytest.raises(BundleError, match="its weights and masks do not fit"):
        load_state(other, 0, mlp(*WIDTHS))


def test_what_cannot_begin_keeps_nothing() -> None:
    def keep(state: StageState) -> None:
        raise AssertionError("kept")

    with pytest.raises(PruningError, match="ask for a smaller ratio"):
        mask_in_stages(
            mlp(*WIDTHS), tune=tune, stages=parse_schedule("0.9999:1:1e-3"), on_stage=keep
        )
