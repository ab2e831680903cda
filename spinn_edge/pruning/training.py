"""Pruning and fine-tuning with the caller's own loaders, optimiser and loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from spinn_edge.pruning.rounds import prune_in_rounds
from spinn_edge.training.fitting import Batches, Fit, Loss, fit


def structured_prune_and_finetune(
    model: nn.Module,
    train_loader: Batches,
    val_loader: Batches,
    optimizer_fn: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
    loss_fn: Loss,
    device: torch.device | str,
    target_sparsity: float = 0.685,
    n_prune_rounds: int = 3,
    finetune_epochs: int = 10,
) -> nn.Module:
    """Remove a share of the **parameters** of a plain MLP and fine-tune after each round.

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
        round. For the audit and the history call :func:`spinn_edge.pruning.prune_in_rounds`.

    Raises:
        PruningError: the target cannot be reached, or the network is no plain MLP.
        UsageError: training diverged, or ``val_loader`` is empty.
        KeyboardInterrupt: Ctrl-C, after which ``model`` has its old weights.
    """

    def tune(network: nn.Module, number: int) -> Fit:
        return fit(
            network,
            train_loader,
            val_loader,
            optimizer=optimizer_fn(network.parameters()),
            loss=loss_fn,
            epochs=finetune_epochs,
            device=device,
        )

    pruned = prune_in_rounds(
        model.to(device), tune=tune, target=target_sparsity, rounds=n_prune_rounds
    )
    if pruned.interrupted:
        raise KeyboardInterrupt
    return pruned.module
