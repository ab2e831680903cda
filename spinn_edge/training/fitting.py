"""The training loop that training and fine-tuning share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from spinn_edge.core.errors import UsageError
from spinn_edge.training.dataset import Rows
from spinn_edge.training.objectives import Data, Loss, Objective, WeightedSum
from spinn_edge.training.steps import CompiledStep, EagerStep, run_epoch

__all__ = ["Batches", "Epoch", "Fit", "Loss", "TensorBatches", "evaluate", "fit"]

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One pass over the training rows.

    Attributes:
        number: from 1.
        train_loss: mean of the objective over the training batches.
        validation_loss: mean of the data loss over the held-out rows.
        best: no earlier epoch had a lower validation loss.
        terms: means of the objective's terms over the training batches, by name, without their
            weights.
    """

    number: int
    train_loss: float
    validation_loss: float
    best: bool
    terms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What a training run did.

    Attributes:
        history: the epochs that ended, in order.
        interrupted: the user stopped it.
        compile_s: wall time of the first steps at each batch size, nearly all of it compiling;
            None where nothing was compiled.
    """

    history: tuple[Epoch, ...]
    interrupted: bool
    compile_s: float | None = None

    @property
    def best(self) -> Epoch | None:
        """The epoch whose weights the model now has; None when no epoch ended."""
        return next((epoch for epoch in reversed(self.history) if epoch.best), None)


class TensorBatches:
    """Batches of rows held in memory, shuffled anew at each pass if a generator is given."""

    def __init__(
        self, rows: Rows, *, batch_size: int, generator: torch.Generator | None = None
    ) -> None:
        self._x = torch.from_numpy(rows.features).float()
        self._y = torch.from_numpy(rows.targets).float()
        self._batch_size = batch_size
        self._generator = generator

    def __len__(self) -> int:
        return math.ceil(len(self._x) / self._batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if self._generator is None:
            order = torch.arange(len(self._x))
        else:
            order = torch.randperm(len(self._x), generator=self._generator)
        for start in range(0, len(order), self._batch_size):
            index = order[start : start + self._batch_size]
            yield self._x[index], self._y[index]


def fit(
    model: nn.Module,
    train: Batches,
    validation: Batches,
    *,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    epochs: int,
    objective: Objective | None = None,
    device: torch.device | str = "cpu",
    schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    compiled: bool = False,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Fit:
    """Train ``model`` in place and leave it with the weights of its best epoch.

    The best epoch is the one with the lowest ``loss`` on the held-out rows, whatever else is
    minimised: so runs with and without physics are judged alike, and by nothing that is random.

    Args:
        model: changed in place; in evaluation mode afterwards.
        train: batches (x, y), each of shape (batch, ...).
        validation: batches that choose the best epoch.
        optimizer: over the model's parameters.
        loss: of (prediction, y), a scalar mean over the batch.
        epochs: most passes over ``train``.
        objective: what is minimised; None minimises ``loss``.
        device: where batches are moved to; the model must be there already.
        schedule: stepped after each optimiser step.
        patience: epochs without a better validation loss before it stops; None never stops early.
        min_delta: how much lower a validation loss must be to count as better for ``patience``, in
            its unit. The weights that are restored are those of the lowest loss all the same.
        compiled: take the steps through ``torch.compile``.
        on_epoch: called after each epoch.

    Returns:
        The history. Ctrl-C ends training early and is recorded, not raised.

    Raises:
        UsageError: the validation loss is NaN or Inf from the first epoch on, a term is for the
            weights that training starts from, a pass over ``train`` or ``validation`` gave no
            samples, ``min_delta`` is negative, or the step cannot be compiled.
    """
    if not (math.isfinite(min_delta) and min_delta >= 0):
        raise UsageError(f"min_delta is {min_delta}; expected a number of at least 0, such as 1e-4")
    objective = objective or WeightedSum((Data(loss=loss),))
    make_step = CompiledStep if compiled else EagerStep
    step = make_step(model, objective, optimizer, schedule)
    history: list[Epoch] = []
    best_loss, best_weights = math.inf, _copy_weights(model)
    to_beat, waited = math.inf, 0
    interrupted = False
    try:
        for number in range(1, epochs + 1):
            train_loss, terms = run_epoch(model, train, objective, step, device, first=number == 1)
            validation_loss = evaluate(model, validation, loss, device)
            better = validation_loss < best_loss
            if better:
                best_loss, best_weights = validation_loss, _copy_weights(model)
            history.append(
                Epoch(
                    number=number,
                    train_loss=train_loss,
                    validation_loss=validation_loss,
                    best=better,
                    terms=terms,
                )
            )
            if not math.isfinite(best_loss):
                raise UsageError(
                    f"training diverged: validation loss {validation_loss} after epoch {number}; "
                    "lower the learning rate with --lr"
                )
            on_epoch(history[-1])
            if validation_loss < to_beat - min_delta:
                to_beat, waited = validation_loss, 0
            else:
                waited += 1
            if patience is not None and waited >= patience:
                break
    except KeyboardInterrupt:
        interrupted = True
    finally:
        model.load_state_dict(best_weights)
        model.eval()
    return Fit(history=tuple(history), interrupted=interrupted, compile_s=step.compile_s)


@torch.no_grad()
def evaluate(
    model: nn.Module, batches: Batches, loss: Loss, device: torch.device | str = "cpu"
) -> float:
    """Return the mean loss over all samples of ``batches``."""
    model.eval()
    total, count = 0.0, 0
    for x, y in batches:
        x, y = x.to(device), y.to(device)
        total += loss(model(x), y).item() * len(x)
        count += len(x)
    if count == 0:
        raise UsageError("there are no validation samples to choose the best weights by")
    return total / count


def _copy_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    # state_dict() alone shares storage with the model and would follow every later step
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
