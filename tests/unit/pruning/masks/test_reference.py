from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.models.modules import linear_layers
from spinn_edge.pruning.masks.applying import count_regrown
from spinn_edge.pruning.masks.reference import compact_on_rows, mask_on_rows
from spinn_edge.pruning.masks.stages import MaskedModel
from spinn_edge.pruning.schedule import parse_schedule
from spinn_edge.pruning.staged.continuation import Stages
from spinn_edge.pruning.staged.stages import StageStore
from spinn_edge.training.dataset import Rows, Split
from spinn_edge.training.fitting import Epoch
from spinn_edge.training.reference import Optimisation, TrainedModel, predict, train_mlp

STAGES = parse_schedule("0.4:6:5e-3,0.4:6:2e-3")


def rows(count: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (count, 3))
    y = np.stack([0.01 * x[:, 0] + 0.2, 300 * np.sin(2 * x[:, 1]) - 40], axis=1)
    return Rows(features=x * [1000, 0.1, 1] + [5000, 0.5, 0], targets=y)


@pytest.fixture(scope="module")
def split() -> Split:
    return Split(train=rows(400, 0), held_out=rows(100, 1), dropped=0, held_out_from="100 rows")


@pytest.fixture(scope="module")
def trained(split: Split) -> TrainedModel:
    return train_mlp(
        split,
        DataRecipe(features=("a", "b", "c"), targets=("small", "large")),
        hidden=(32, 32),
        activation="tanh",
        optimisation=Optimisation(epochs=12, learning_rate=1e-2),
    )


def test_masked_network_maps_raw_features_to_physical_units(
    trained: TrainedModel, split: Split
) -> None:
    masked = mask_on_rows(trained.module, split, trained.scaling, STAGES, target=0.64)

    difference = predict(masked.module, split.held_out.features) - split.held_out.targets
    error = np.sqrt((difference**2).mean(axis=0)) / split.held_out.targets.std(axis=0)
    assert (error < 0.3).all()
    assert masked.module.widths == trained.module.widths
    assert count_regrown(masked.module, masked.masks) == 0
    nonzero = sum(int(layer.weight.count_nonzero()) for layer in linear_layers(masked.module))
    assert nonzero == masked.masking.stages[-1].nonzero_weights
    assert bool(linear_layers(trained.module)[0].weight.all())


def test_same_seed_gives_the_same_bits_and_another_does_not(
    trained: TrainedModel, split: Split
) -> None:
    first, again, other = (
        mask_on_rows(trained.module, split, trained.scaling, STAGES[:1], seed=seed).module
        for seed in (0, 0, 1)
    )
    state = first.state_dict()
    assert all(torch.equal(t, state[name]) for name, t in again.state_dict().items())
    assert not all(torch.equal(t, state[name]) for name, t in other.state_dict().items())


def test_compacted_network_gives_the_same_on_real_rows(trained: TrainedModel, split: Split) -> None:
    masked = mask_on_rows(
        trained.module, split, trained.scaling, parse_schedule("0.95:1:1e-3"), scope="layer"
    )

    small = compact_on_rows(masked.module, trained.scaling)

    assert small.parameters_after < small.parameters_before
    expected, got = (predict(m, split.held_out.features) for m in (masked.module, small.module))
    assert (abs(expected - got).max(axis=0) <= 1e-5 * abs(expected).max(axis=0)).all()


# Stages on disk


def kept(folder: Path, **options: Any) -> Stages:
    return Stages(store=StageStore(folder), request={"seed": 0}, **options)


def state_of(masked: MaskedModel[Any]) -> dict[str, torch.Tensor]:
    return dict(masked.module.state_dict())


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


THREE = parse_schedule("0.4:2:5e-3,0.4:2:2e-3,0.2:1:2e-3")


@pytest.mark.parametrize("pressed", [1, 2])
def test_run_stopped_in_a_stage_and_resumed_ends_with_the_same_bits(
    trained: TrainedModel, split: Split, tmp_path: Path, pressed: int
) -> None:
    whole = mask_on_rows(trained.module, split, trained.scaling, THREE, kept=kept(tmp_path / "a"))
    epochs = list[int]()

    def stop(epoch: Epoch) -> None:
        epochs.append(epoch.number)
        if len(epochs) == 2 + pressed:  # in the second stage, after one epoch or two
            raise KeyboardInterrupt

    stopped = mask_on_rows(
        trained.module, split, trained.scaling, THREE, kept=kept(tmp_path / "b"), on_epoch=stop
    )
    assert stopped.interrupted
    assert [record.number for record in StageStore(tmp_path / "b").stages()] == [0, 1]
    begun = list[int]()

    again = mask_on_rows(
        trained.module,
        split,
        trained.scaling,
        THREE,
        kept=kept(tmp_path / "b", resume=True),
        on_begin=lambda row: begun.append(row.number),
    )

    assert begun == [2, 3]
    assert same(state_of(whole), state_of(again))
    assert same(whole.masks, again.masks)
    assert len(again.fits) == len(again.masking.stages) == 3
    records = (StageStore(tmp_path / name).last() for name in "ab")
    first, second = (record and record.weights_sha256 for record in records)
    assert first == second


@pytest.mark.parametrize("stage", [0, 1])
def test_rollback_gives_the_network_of_that_stage_and_drops_the_later_ones(
    trained: TrainedModel, split: Split, tmp_path: Path, stage: int
) -> None:
    store = StageStore(tmp_path / "s")
    mask_on_rows(trained.module, split, trained.scaling, THREE[:2], kept=kept(store.folder))

    back = mask_on_rows(
        trained.module, split, trained.scaling, THREE[:2], kept=kept(store.folder, rollback=stage)
    )

    only = mask_on_rows(trained.module, split, trained.scaling, THREE[:1]).module
    assert same(state_of(back), (trained.module, only)[stage].state_dict())
    assert back.masking.requested == pytest.approx([0, 0.4][stage])
    assert len(back.masking.stages) == stage
    assert [record.number for record in store.stages()] == list(range(stage + 1))


@pytest.mark.parametrize("options", [{"resume": True}, {"rollback": 0}])
def test_stages_of_another_run_are_refused_and_stay(
    trained: TrainedModel, split: Split, tmp_path: Path, options: dict[str, Any]
) -> None:
    store = StageStore(tmp_path / "s")
    mask_on_rows(trained.module, split, trained.scaling, THREE[:1], kept=kept(store.folder))
    other = Stages(store=store, request={"seed": 1}, **options)

    with pytest.raises(UsageError, match="seed was 0 and is 1 now"):
        mask_on_rows(trained.module, split, trained.scaling, THREE[:1], kept=other)

    assert [record.number for record in store.stages()] == [0, 1]


def test_run_that_cannot_begin_leaves_the_stages_of_the_last_one(
    trained: TrainedModel, split: Split, tmp_path: Path
) -> None:
    store = StageStore(tmp_path / "s")
    mask_on_rows(trained.module, split, trained.scaling, THREE[:1], kept=kept(store.folder))

    with pytest.raises(PruningError, match="ask for a smaller ratio"):
        mask_on_rows(
            trained.module,
            split,
            trained.scaling,
            parse_schedule("0.99999:1:1e-3"),
            kept=kept(store.folder),
        )

    assert [record.number for record in store.stages()] == [0, 1]


def test_run_that_begins_anew_replaces_the_stages_of_another_one(
    trained: TrainedModel, split: Split, tmp_path: Path
) -> None:
    store = StageStore(tmp_path / "s")
    for seed, schedule in ((0, THREE[:2]), (1, THREE[:1])):
        mask_on_rows(
            trained.module,
            split,
            trained.scaling,
            schedule,
            kept=Stages(store=store, request={"seed": seed}),
        )
    assert [record.request for record in store.stages()] == [{"seed": 1}] * 2
