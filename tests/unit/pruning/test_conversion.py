import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.models.modules import MLP
from spinn_edge.models.pt2_file import load_pt2
from spinn_edge.models.torchscript_file import load_torchscript
from spinn_edge.pruning.conversion import as_mlp, check_runs
from spinn_edge.training.dataset import Rows, Split


def rows(count: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (count, 3))
    y = np.stack([0.01 * x[:, 0] + 0.2, 300 * np.sin(2 * x[:, 1]) - 40], axis=1)
    return Rows(features=x * [1000, 0.1, 1] + [5000, 0.5, 0], targets=y)


@pytest.fixture(scope="module")
def split() -> Split:
    return Split(train=rows(40, 0), held_out=rows(100, 1), dropped=0, held_out_from="100 rows")


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


# Modules that stay as they are


def test_own_module_that_runs_on_the_rows_is_taken_as_it_is(split: Split) -> None:
    own = Own()

    assert check_runs(own, origin="m", split=split) is own


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Linear(7, 2), "'m' does not run on 3 features"),
        (nn.Linear(3, 5), r"'m' gives outputs of shape \[100, 5\] for 100 rows, expected"),
    ],
)
def test_own_module_that_does_not_fit_the_rows_is_refused(
    split: Split, network: nn.Module, message: str
) -> None:
    with pytest.raises(PruningError, match=message):
        check_runs(network, origin="m", split=split)
