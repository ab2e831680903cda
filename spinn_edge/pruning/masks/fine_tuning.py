"""Training of a masked network with the caller's own loaders, optimiser and loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import nn

from spinn_edge.pruning.masks.applying import check_none_regrown, held
from spinn_edge.pruning.masks.arguments import (
    check_batches,
    check_count,
    check_function,
    check_masks,
    check_network,
    move,
)
from spinn_edge.pruning.masks.weights import fit_masks
from spinn_edge.training.fitting import Batches, Epoch, Fit, Loss, fit


def fine_tune(
    model: nn.Module,
    train_loader: Batches,
    val_loader: Batches,
    optimizer_fn: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
    loss_fn: Loss,
    device: torch.device | str,
    epochs: int,
    masks: Mapping[str, torch.Tensor] | None = None,
    *,
    patience: int | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Fit:
    """Train in place; masked weights are exactly 0 after every optimiser step, whatever it is.

    Args:
        model: moved to ``device`` and left with the weights of its best epoch, in evaluation mode.
        train_loader: batches (x, y) of shape (batch, ...), iterated once an epoch.
        val_loader: batches that choose the best weights.
        optimizer_fn: makes an optimiser from parameters.
        loss_fn: of (prediction, y), a scalar mean over the batch.
        device: where to train.
        epochs: most passes over ``train_loader``.
        masks: what :func:`apply_pruning` returned; None holds those that are on the network.
        patience: epochs without a better validation loss before it stops; None never stops early.
        on_epoch: called after each epoch.

    Returns:
        The history. Ctrl-C ends training early and is recorded, not raised.

    Raises:
        PruningError: an argument is of a wrong type, the masks are of another network, there is
            no such device, or a masked weight is not 0 at the end.
        UsageError: training diverged, or a loader gave no samples.
    """
    given = {} if masks is None else masks
    check_network(model)
    check_masks(given, "masks")
    fit_masks(model, given)
    check_batches(train_loader, "train_loader")
    check_batches(val_loader, "val_loader")
    check_function(optimizer_fn, "optimizer_fn", "parameters that returns an optimiser")
    check_function(loss_fn, "loss_fn", "(prediction, y) that returns a scalar")
    check_count(epochs, "epochs")
    if patience is not None:
        check_count(patience, "patience")
    move(model, device)
    with held(model, given) as holding:
        history = fit(
            model,
            train_loader,
            val_loader,
            optimizer=optimizer_fn(model.parameters()),
            loss=loss_fn,
            epochs=epochs,
            device=device,
            patience=patience,
            on_epoch=on_epoch,
        )
    check_none_regrown(model, holding)
    return history
