import numpy as np
import pytest
import torch

from spinn_edge.core.manifest import DataRecipe
from spinn_edge.models.modules import linear_layers
from spinn_edge.pruning.masks.applying import count_regrown
from spinn_edge.pruning.masks.reference import compact_on_rows, mask_on_rows
from spinn_edge.pruning.schedule import parse_schedule
from spinn_edge.training.dataset import Rows, Split
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
