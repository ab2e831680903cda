import copy
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import nn

from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.pruning import apply_pruning, fine_tune, make_permanent
from spinn_edge.pruning.masks.applying import count_regrown
from spinn_edge.training.fitting import Fit, evaluate
from tests.unit.pruning.masks.networks import batches, mlp

loss = nn.functional.mse_loss


def adamw(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.1)


def tune(network: nn.Module, **options: Any) -> Fit:
    given: dict[str, Any] = {
        "train_loader": batches(),
        "val_loader": batches(2, seed=1),
        "optimizer_fn": adamw,
        "loss_fn": loss,
        "device": "cpu",
        "epochs": 4,
    }
    return fine_tune(network, **(given | options))


@pytest.mark.parametrize("plain", [True, False])
def test_training_learns_and_pruned_weights_stay_zero(plain: bool) -> None:
    network = mlp()
    _, masks = apply_pruning(network, 0.6)
    if plain:  # masks handed over, none on the network
        make_permanent(network)
    before = evaluate(network, batches(2, seed=1), loss)

    tune(network, masks=masks if plain else None)

    assert evaluate(network, batches(2, seed=1), loss) < before
    assert count_regrown(network, masks) == 0
    assert not network.training


def test_weights_of_the_best_epoch_come_back_and_not_those_of_the_last() -> None:
    network = mlp()
    _, masks = apply_pruning(network, 0.5)

    def worse_and_worse(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        optimizer = torch.optim.SGD(parameters, lr=1e-2)

        def push(optimizer: torch.optim.Optimizer, *_: object) -> None:
            optimizer.param_groups[0]["lr"] *= 1.5

        optimizer.register_step_post_hook(push)
        return optimizer

    history = tune(network, optimizer_fn=worse_and_worse, masks=masks, epochs=5)

    assert history.best is not None
    assert history.best.validation_loss < 0.9 * history.history[-1].validation_loss
    again = evaluate(network, batches(2, seed=1), loss)
    assert again == pytest.approx(history.best.validation_loss)
    shown = copy.deepcopy(network[0].weight)  # and what the layer shows is what it multiplies with
    network(torch.zeros(1, 4))
    assert torch.equal(shown, network[0].weight)


def test_masks_of_another_network_are_refused_before_training() -> None:
    _, masks = apply_pruning(mlp(4, 8, 2), 0.5)
    with pytest.raises(PruningError, match="masks are of another network"):
        tune(mlp(), masks=masks, train_loader=None)


def test_epochs_are_reported_and_patience_stops() -> None:
    network, numbers = mlp(), list[int]()
    apply_pruning(network, 0.5)

    def still(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=0.0)

    tune(
        network,
        epochs=9,
        patience=2,
        optimizer_fn=still,
        on_epoch=lambda epoch: numbers.append(epoch.number),
    )
    assert numbers == [1, 2, 3]


def test_divergence_is_a_clear_error_and_masks_hold() -> None:
    network = mlp()
    _, masks = apply_pruning(network, 0.5)
    with pytest.raises(UsageError, match="training diverged"):
        tune(network, optimizer_fn=lambda p: torch.optim.SGD(p, lr=1e30))
    assert count_regrown(network, masks) == 0
