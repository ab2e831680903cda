from dataclasses import replace

import numpy as np
import pytest
import torch

from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.models.modules import linear_layers
from spinn_edge.training.dataset import Rows, Split
from spinn_edge.training.fitting import Epoch
from spinn_edge.training.reference import Optimisation, TrainedModel, predict, train_mlp

RECIPE = DataRecipe(features=("a", "b"), targets=("small", "large"))
SHORT = Optimisation(epochs=60, learning_rate=1e-2)


def rows(count: int, seed: int) -> Rows:
    """Return raw units of very different scale, smooth functions of each other."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (count, 2))
    y = np.stack([0.01 * (x[:, 0] * x[:, 1]) + 0.2, 300 * np.sin(2 * x[:, 0]) - 40], axis=1)
    return Rows(features=x * [1000, 0.1] + [5000, 0.5], targets=y)


@pytest.fixture(scope="module")
def split() -> Split:
    return Split(train=rows(400, 0), held_out=rows(100, 1), dropped=0, held_out_from="100 rows")


def train(
    split: Split, optimisation: Optimisation = SHORT, activation: str = "tanh"
) -> TrainedModel:
    return train_mlp(
        split, RECIPE, hidden=(16, 16), activation=activation, optimisation=optimisation
    )


@pytest.fixture(scope="module")
def trained(split: Split) -> TrainedModel:
    return train(split)


def test_trained_network_takes_raw_features_and_returns_physical_units(
    trained: TrainedModel, split: Split
) -> None:
    predicted = predict(trained.module, split.held_out.features)

    error = np.abs(predicted - split.held_out.targets).mean(axis=0)
    spread = split.held_out.targets.std(axis=0)
    assert (error < 0.2 * spread).all()
    assert predicted.dtype == np.float64
    assert trained.module.widths == (2, 16, 16, 2)
    assert (trained.recipe, trained.fit.interrupted) == (RECIPE, False)
    assert len(trained.fit.history) == 60
    assert trained.duration_s > 0


def test_training_is_repeatable_and_leaves_the_global_generator_alone(
    trained: TrainedModel, split: Split
) -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()

    again = train(split)

    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in trained.module.state_dict().items():
        assert torch.equal(tensor, again.module.state_dict()[name])


def test_another_seed_gives_another_network(trained: TrainedModel, split: Split) -> None:
    other = train(split, replace(SHORT, seed=1, epochs=1))

    first, was = linear_layers(other.module)[0], linear_layers(trained.module)[0]
    assert not torch.equal(first.weight, was.weight)


def test_each_epoch_is_reported(split: Split) -> None:
    seen: list[Epoch] = []

    trained = train_mlp(
        split,
        RECIPE,
        hidden=(4,),
        activation="relu",
        optimisation=Optimisation(epochs=3),
        on_epoch=seen.append,
    )

    assert tuple(seen) == trained.fit.history
    assert [epoch.number for epoch in seen] == [1, 2, 3]


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 2, 128, 129])
def test_schedule_fits_any_number_of_steps(epochs: int, count: int) -> None:
    few = Split(train=rows(count, 0), held_out=rows(3, 1), dropped=0, held_out_from="3 rows")

    assert len(train(few, Optimisation(epochs=epochs)).fit.history) == epochs


def test_diverging_training_is_a_clear_error(split: Split) -> None:
    with pytest.raises(UsageError, match="training diverged"):
        train(split, Optimisation(epochs=2, learning_rate=1e30), activation="relu")


def test_unknown_activation_and_impossible_width_are_refused(split: Split) -> None:
    with pytest.raises(UsageError, match="unknown activation 'swish'"):
        train(split, activation="swish")
    with pytest.raises(UsageError, match="widths of at least 1"):
        train_mlp(split, RECIPE, hidden=(0,), activation="tanh", optimisation=SHORT)


@pytest.mark.parametrize("epochs", [0, -1])
def test_no_epochs_are_refused(epochs: int) -> None:
    with pytest.raises(UsageError, match=f"epochs must be at least 1, got {epochs}"):
        Optimisation(epochs=epochs)


@pytest.mark.parametrize("rate", [0.0, -1e-3, float("nan")])
def test_learning_rate_that_does_not_learn_is_refused(rate: float) -> None:
    with pytest.raises(UsageError, match=f"learning rate must be above 0, got {rate}"):
        Optimisation(epochs=1, learning_rate=rate)
