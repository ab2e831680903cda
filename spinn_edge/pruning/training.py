"""Pruning and fine-tuning with the caller's own loaders, optimiser and loss."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import nn

from spinn_edge.core.errors import UsageError
from spinn_edge.pruning.request import PruningRequest
from spinn_edge.pruning.rounds import PrunedModel, RoundEvents, prune_in_rounds
from spinn_edge.pruning.schedule import Stage
from spinn_edge.training.fitting import Batches, Epoch, Fit, Loss, fit

M = TypeVar("M", bound=nn.Module)

_IMPORTANCE_BATCHES = 16
"""Batches that an importance from data is taken over, at most."""


def prune_with_loaders(
    model: M,
    train_loader: Batches,
    val_loader: Batches,
    optimizer_fn: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
    loss_fn: Loss,
    device: torch.device | str,
    request: PruningRequest,
    *,
    finetune_epochs: int = 10,
    schedule: Sequence[Stage] = (),
    patience: int | None = None,
    min_delta: float = 0.0,
    compiled: bool = False,
    events: RoundEvents[M] | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> PrunedModel[M]:
    """Remove a share of any network and fine-tune after each round.

    Args:
        model: moved to ``device`` and otherwise not changed.
        train_loader: batches (x, y) of shape (batch, ...), iterated once an epoch.
        val_loader: batches that choose each round's best weights.
        optimizer_fn: makes an optimiser from parameters; called once a round, since the layers
            are new.
        loss_fn: of (prediction, y), a scalar mean over the batch.
        device: where to train.
        request: what to remove.
        finetune_epochs: epochs after each round.
        schedule: epochs and learning rate of each round, in place of ``finetune_epochs`` and the
            optimiser's own rate; its ratios are the request's.
        patience: epochs without improvement before a round's tuning ends; None never stops early.
        min_delta: how much lower the validation loss must be to count as improved.
        compiled: take the steps through ``torch.compile``.
        events: hears of rounds.
        on_epoch: called after each epoch.

    Returns:
        The smaller network on ``device``, its audit and history.

    Raises:
        PruningError: as :func:`spinn_edge.pruning.prune_in_rounds`.
        UsageError: training diverged, or a loader is empty.
    """

    def tune(network: nn.Module, number: int) -> Fit:
        optimizer, epochs = optimizer_fn(network.parameters()), finetune_epochs
        if schedule:
            epochs = schedule[number - 1].epochs
            for group in optimizer.param_groups:
                group["lr"] = schedule[number - 1].learning_rate
        return fit(
            network,
            train_loader,
            val_loader,
            optimizer=optimizer,
            loss=loss_fn,
            epochs=epochs,
            device=device,
            patience=patience,
            min_delta=min_delta,
            compiled=compiled,
            on_epoch=on_epoch,
        )

    first = next(iter(train_loader), None)
    if first is None:
        raise UsageError("the training batches gave no samples; give a DataLoader or a list")
    return prune_in_rounds(
        model.to(device),
        request,
        tune=tune,
        example=(first[0].to(device),),
        batches=_Sample(train_loader, device),
        loss=loss_fn,
        events=events,
    )


def structured_prune_and_finetune(
    model: M,
    train_loader: Batches,
    val_loader: Batches,
    optimizer_fn: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
    loss_fn: Loss,
    device: torch.device | str,
    target_sparsity: float = 0.685,
    n_prune_rounds: int = 3,
    finetune_epochs: int = 10,
) -> M:
    """Remove a share of the **parameters** of any network and fine-tune after each round.

    Args:
        model: moved to ``device`` and otherwise not changed.
        train_loader: batches (x, y) of shape (batch, ...), iterated once an epoch.
        val_loader: batches that choose each round's best weights.
        optimizer_fn: makes an optimiser from parameters; called once a round, since the layers
            are new.
        loss_fn: of (prediction, y), a scalar mean over the batch.
        device: where to train.
        target_sparsity: share of the whole model's parameters to remove, in (0, 1).
        n_prune_rounds: rounds.
        finetune_epochs: epochs after each round.

    Returns:
        The smaller network on ``device``, in evaluation mode, with the best weights of its last
        round. For the audit and the history call :func:`spinn_edge.pruning.prune_with_loaders`.

    Raises:
        PruningError: the target cannot be reached, or the network cannot be followed.
        UsageError: training diverged, or ``val_loader`` is empty.
        KeyboardInterrupt: Ctrl-C, after which ``model`` has its old weights.
    """
    pruned = prune_with_loaders(
        model,
        train_loader,
        val_loader,
        optimizer_fn,
        loss_fn,
        device,
        PruningRequest(target=target_sparsity, rounds=n_prune_rounds),
        finetune_epochs=finetune_epochs,
    )
    if pruned.interrupted:
        raise KeyboardInterrupt
    return pruned.module


class _Sample:
    """The first batches, read only by an importance that needs data."""

    def __init__(self, batches: Batches, device: torch.device | str) -> None:
        self._batches = batches
        self._device = device

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for x, y in itertools.islice(self._batches, _IMPORTANCE_BATCHES):
            yield x.to(self._device), y.to(self._device)
