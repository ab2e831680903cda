from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.models.modules import MLP
from spinn_edge.models.pt2_file import load_pt2
from spinn_edge.models.torchscript_file import load_torchscript
from spinn_edge.pruning.reference import as_mlp, prune_on_rows
from spinn_edge.training.dataset import Rows, Split
from spinn_edge.training.fitting import Epoch
from spinn_edge.training.reference import Optimisation, TrainedModel, predict, train_mlp


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
        optimisation=Optimisation(epochs=15, learning_rate=1e-2),
    )


def prune(trained: TrainedModel, split: Split, **options: Any) -> Any:
    given = {"target": 0.6, "rounds": 2}
    optimisation = Optimisation(epochs=options.pop("epochs", 15), learning_rate=5e-3)
    return prune_on_rows(trained.module, split, trained.scaling, optimisation, **(given | options))


def errors(module: nn.Module, split: Split) -> Any:
    difference = predict(module, split.held_out.features) - split.held_out.targets
    return np.sqrt((difference**2).mean(axis=0)) / split.held_out.targets.std(axis=0)


def test_pruned_network_still_maps_raw_features_to_physical_units(
    trained: TrainedModel, split: Split
) -> None:
    pruned = prune(trained, split)

    assert (errors(pruned.module, split) < 0.25).all()
    assert pruned.module.widths[0] == 3
    assert pruned.audit.achieved == pytest.approx(0.6, abs=0.003)
    assert len(pruned.fits) == 2


def test_pruning_is_repeatable_and_leaves_the_given_network(
    trained: TrainedModel, split: Split
) -> None:
    before = {k: v.clone() for k, v in trained.module.state_dict().items()}

    first, again = prune(trained, split, epochs=2), prune(trained, split, epochs=2)

    for name, tensor in first.module.state_dict().items():
        assert torch.equal(tensor, again.module.state_dict()[name])
    for name, tensor in trained.module.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_rounds_and_epochs_are_reported(trained: TrainedModel, split: Split) -> None:
    numbers: list[int] = []
    epochs: list[Epoch] = []

    prune(
        trained,
        split,
        epochs=2,
        on_round=lambda number, plan: numbers.append(number),
        on_epoch=epochs.append,
    )

    assert numbers == [1, 2]
    assert [epoch.number for epoch in epochs] == [1, 2, 1, 2]


def test_options_reach_the_plan(trained: TrainedModel, split: Split) -> None:
    pruned = prune(trained, split, epochs=1, rounds=1, round_to=8)

    assert all(width % 8 == 0 for width in pruned.module.widths[1:-1])
    with pytest.raises(PruningError, match=r"within 0\.00%"):
        prune(trained, split, epochs=1, rounds=1, target=0.6004, tolerance=0.0)


# Modules that become the reference MLP


class Own(nn.Module):
    """The layers of a plain MLP in a class of the user's own, with a change after the last."""

    def __init__(self, change: float = 0.0) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(3, 8), nn.Linear(8, 2)
        self.change = change
        nn.init.constant_(self.fc1.weight, 1e-4)
        nn.init.zeros_(self.fc1.bias)
        nn.init.constant_(self.fc2.weight[0], 1e-3)
        nn.init.constant_(self.fc2.weight[1], 1e3)
        nn.init.zeros_(self.fc2.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.as_tensor(self.fc2(torch.tanh(self.fc1(x))))
        return y + torch.tensor([self.change, 0.0])


def test_reference_mlp_is_taken_as_it_is(split: Split) -> None:
    mlp = MLP((3, 4, 2), "relu")

    assert as_mlp(mlp, activation=None, origin="m", split=split) is mlp


def test_own_class_that_is_a_plain_mlp_is_converted(split: Split) -> None:
    own = Own().eval()

    mlp = as_mlp(own, activation="tanh", origin="m", split=split)

    x = torch.from_numpy(split.held_out.features).float()
    assert isinstance(mlp, MLP)
    torch.testing.assert_close(mlp(x), own(x))


@pytest.mark.parametrize("change", [1e-4, float("nan")])
def test_change_of_the_small_output_does_not_hide_behind_the_large_one(
    split: Split, change: float
) -> None:
    with pytest.raises(PruningError, match="is not the plain MLP with tanh"):
        as_mlp(Own(change), activation="tanh", origin="m", split=split)


def test_other_activation_is_refused(split: Split) -> None:
    with pytest.raises(PruningError, match="'m' is not the plain MLP with relu that its tensors"):
        as_mlp(Own(), activation="relu", origin="m", split=split)


def test_own_class_without_activation_is_refused_with_the_option(split: Split) -> None:
    with pytest.raises(PruningError, match="name the function between its layers with --activ"):
        as_mlp(Own(), activation=None, origin="m", split=split)


def test_own_class_with_other_features_than_the_table_is_one_clear_error(split: Split) -> None:
    network = nn.Sequential(nn.Linear(7, 8), nn.Tanh(), nn.Linear(8, 2))

    with pytest.raises(PruningError, match=r"'m' does not run on 3 features .*--features"):
        as_mlp(network, activation="tanh", origin="m", split=split)


def test_own_class_that_is_no_mlp_is_refused(split: Split) -> None:
    network = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)).eval()

    with pytest.raises(UsageError, match="m is no plain MLP"):
        as_mlp(network, activation="tanh", origin="m", split=split)


@pytest.mark.parametrize("kind", ["pt2", "torchscript", "onnx"])
def test_exported_file_is_refused(tiny_bundle: Bundle, split: Split, kind: str) -> None:
    (entry,) = tiny_bundle.manifest.files_of(kind)
    path = tiny_bundle.path_of(entry)
    module = {
        "pt2": lambda: load_pt2(path).module(),
        "torchscript": lambda: load_torchscript(path),
        "onnx": lambda: None,
    }[kind]()

    with pytest.raises(PruningError, match=r"'m' is an exported file, .*give the state dict"):
        as_mlp(module, activation="tanh", origin="m", split=split)
