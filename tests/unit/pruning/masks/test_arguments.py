"""Arguments of a wrong Python type are refused in words, before anything is changed."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning import apply_pruning, fine_tune
from tests.unit.pruning.masks.networks import batches, mlp


@pytest.mark.parametrize(
    ("ratio", "message"),
    [
        ("0.3", r"above 0 and below 1, got '0\.3' \(str\); for 30 % give 0\.3"),
        (None, r"got None \(NoneType\)"),
        ([0.3], r"got \[0\.3\] \(list\)"),
        (True, r"got True \(bool\)"),
        (0.3j, r"\(complex\)"),
        (torch.tensor(0.3), r"\(Tensor\)"),
        (float("nan"), "got nan"),
        (1, "got 1;"),
    ],
)
def test_ratio_that_is_no_share_is_refused(ratio: Any, message: str) -> None:
    network = mlp()
    with pytest.raises(PruningError, match=message):
        apply_pruning(network, ratio)
    assert "weight" in dict(network[0].named_parameters())


@pytest.mark.parametrize("ratio", [np.float64(0.5), np.float32(0.5)])
def test_ratio_of_numpy_is_a_number(ratio: Any) -> None:
    assert apply_pruning(mlp(), ratio)[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([torch.ones(2)], "must be a dictionary of tensors by weight name"),
        (0.3, r"got 0\.3 \(float\)"),
        ({"0.weight": "all"}, r"must hold tensors; '0\.weight' is 'all' \(str\)"),
        ({3: torch.ones(2)}, "the masks are of another network: it has no weight '3'"),
    ],
)
def test_masks_that_are_no_table_of_tensors_are_refused(masks: Any, message: str) -> None:
    with pytest.raises(PruningError, match=message):
        apply_pruning(mlp(), 0.5, masks)
    with pytest.raises(PruningError, match=message):
        tune(masks=masks)


@pytest.mark.parametrize("options", [{"scope": None}, {"scope": 3}, {"pattern": 24}])
def test_names_that_are_no_text_are_unknown(options: Any) -> None:
    with pytest.raises(PruningError, match="unknown"):
        apply_pruning(mlp(), 0.5, **options)


@pytest.mark.parametrize("network", ["model.pt", None, nn.Linear])
def test_what_is_no_network_is_refused(network: Any) -> None:
    with pytest.raises(PruningError, match=r"must be a torch\.nn\.Module, got"):
        apply_pruning(network, 0.5)
    with pytest.raises(PruningError, match=r"must be a torch\.nn\.Module, got"):
        tune(model=network)


def tune(**options: Any) -> None:
    given: dict[str, Any] = {
        "model": mlp(),
        "train_loader": batches(1),
        "val_loader": batches(1),
        "optimizer_fn": lambda parameters: torch.optim.SGD(parameters, lr=1e-3),
        "loss_fn": nn.functional.mse_loss,
        "device": "cpu",
        "epochs": 1,
    }
    fine_tune(**(given | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": "3"}, r"epochs must be a whole number from 1 on, got '3' \(str\)"),
        ({"epochs": 2.0}, r"got 2\.0 \(float\)"),
        ({"epochs": 0}, r"got 0 \(int\)"),
        ({"epochs": True}, r"got True \(bool\)"),
        ({"patience": "2"}, r"patience must be a whole number from 1 on, got '2'"),
        ({"train_loader": None}, r"train_loader must give batches \(x, y\), got None"),
        ({"val_loader": 3}, r"val_loader must give batches"),
        ({"optimizer_fn": "adam"}, r"optimizer_fn must be a function of parameters"),
        ({"loss_fn": "mse"}, r"loss_fn must be a function of \(prediction, y\)"),
        ({"device": "gpu"}, "cannot be moved to device 'gpu'"),
        ({"device": None}, "cannot be moved to device None"),
        ({"device": 1.5}, r"cannot be moved to device 1\.5"),
    ],
)
def test_arguments_of_fine_tune_are_refused_by_name(options: Any, message: str) -> None:
    with pytest.raises(PruningError, match=message):
        tune(**options)


def test_what_is_right_is_taken() -> None:
    tune(patience=1, device=torch.device("cpu"), masks=None)
