"""Training of the reference MLP on a table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe, Scaling
from spinn_edge.models.modules import MLP
from spinn_edge.training.dataset import Split
from spinn_edge.training.determinism import deterministic
from spinn_edge.training.fitting import Epoch, Fit, TensorBatches, fit
from spinn_edge.training.objectives import Data, Term, WeightedSum
from spinn_edge.training.physics.lesson import PhysicsLesson
from spinn_edge.training.physics.units import Units
from spinn_edge.training.scaling import fit_scaling, fold, standardise

BATCH_SIZE = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """How weights are moved: AdamW under a one-cycle learning rate.

    Attributes:
        epochs: most passes over the training rows.
        learning_rate: peak of the cycle.
        weight_decay: decoupled decay a step, relative to the learning rate.
        patience: epochs without improvement before stopping; None never stops early.
        min_delta: how much lower the validation loss must be to count as improved, in squared
            deviations of the targets.
        seed: of initial weights, batch order and collocation points.
        compiled: take the steps through ``torch.compile``.
        device: where steps are taken, ``cpu`` or ``cuda``.

    Source: Loshchilov and Hutter (2019), "Decoupled weight decay regularization"; Smith and Topin
    (2019), "Super-convergence".
    """

    epochs: int
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    patience: int | None = None
    min_delta: float = 0.0
    seed: int = 0
    compiled: bool = False
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UsageError(f"epochs must be at least 1, got {self.epochs}")
        if self.patience is not None and self.patience < 1:
            raise UsageError(f"patience must be at least 1 epoch, got {self.patience}")
        if not (math.isfinite(self.min_delta) and self.min_delta >= 0):
            raise UsageError(
                f"--min-delta is {self.min_delta}; expected a number of at least 0, such as 1e-4"
            )
        if not self.learning_rate > 0:
            raise UsageError(f"the learning rate must be above 0, got {self.learning_rate}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A trained network and how it came to be.

    Attributes:
        module: from raw features to physical units, scaling folded in.
        recipe: rows and columns.
        scaling: what was folded in.
        fit: history of the run.
        duration_s: wall time of the run.
    """

    module: MLP
    recipe: DataRecipe
    scaling: Scaling
    fit: Fit
    duration_s: float


def train_mlp(
    split: Split,
    recipe: DataRecipe,
    *,
    hidden: Sequence[int],
    activation: str,
    optimisation: Optimisation,
    physics: PhysicsLesson | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> TrainedModel:
    """Train an MLP on standardised rows and fold the scaling into it.

    Args:
        split: rows in raw units.
        recipe: where they came from.
        hidden: widths of the hidden layers.
        activation: name of the function between layers.
        optimisation: how.
        physics: an equation and slopes to learn beside the rows, in physical units.
        on_epoch: called after each epoch.

    Raises:
        UsageError: unknown activation, a width under 1, a physics lesson that does not fit the
            columns, or training diverged.
    """
    start_s = time.monotonic()
    scaling = fit_scaling(split.train)
    widths = (len(recipe.features), *hidden, len(recipe.targets))
    terms = (physics or PhysicsLesson()).terms(
        recipe, split.train.features, Units(scaling=scaling), seed=optimisation.seed
    )
    with torch.random.fork_rng():
        torch.manual_seed(optimisation.seed)
        mlp = MLP(widths, activation)
    history = fit_scaled(mlp, split, scaling, optimisation, on_epoch, terms=terms)
    return TrainedModel(
        module=fold(mlp, scaling),
        recipe=recipe,
        scaling=scaling,
        fit=history,
        duration_s=time.monotonic() - start_s,
    )


def fit_scaled(
    network: nn.Module,
    split: Split,
    scaling: Scaling,
    optimisation: Optimisation,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    *,
    terms: Sequence[Term] = (),
) -> Fit:
    """Train a network on standardised values in place, with mean squared error.

    The same seed gives the same weights on the same machine, also on a GPU.

    Args:
        network: from standardised to standardised values, on the CPU, where it is left as well.
        split: rows in raw units.
        scaling: what standardises them.
        optimisation: how.
        on_epoch: called after each epoch.
        terms: minimised beside the data's term, whose weight is 1. They get standardised values;
            physics terms turn them into physical units by ``Units(scaling=scaling)``.

    Raises:
        UsageError: training diverged, or a term fails.
    """
    with deterministic(optimisation.seed):
        try:
            return _fit_on_device(
                network.to(optimisation.device), split, scaling, optimisation, on_epoch, terms
            )
        finally:
            network.cpu()


def _fit_on_device(
    network: nn.Module,
    split: Split,
    scaling: Scaling,
    optimisation: Optimisation,
    on_epoch: Callable[[Epoch], None],
    terms: Sequence[Term],
) -> Fit:
    train = TensorBatches(
        standardise(split.train, scaling),
        batch_size=BATCH_SIZE,
        generator=torch.Generator().manual_seed(optimisation.seed),
    )
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=optimisation.learning_rate,
        weight_decay=optimisation.weight_decay,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=optimisation.learning_rate, total_steps=optimisation.epochs * len(train)
    )
    return fit(
        network,
        train,
        TensorBatches(standardise(split.held_out, scaling), batch_size=4096),
        optimizer=optimizer,
        loss=nn.functional.mse_loss,
        objective=WeightedSum((Data(loss=nn.functional.mse_loss), *terms)),
        epochs=optimisation.epochs,
        schedule=schedule,
        patience=optimisation.patience,
        min_delta=optimisation.min_delta,
        compiled=optimisation.compiled,
        device=optimisation.device,
        on_epoch=on_epoch,
    )


def predict(module: nn.Module, features: np.ndarray) -> np.ndarray:
    """Run a network from raw features, float64 (rows, features), to float64 (rows, targets)."""
    with torch.inference_mode():
        outputs = module(torch.from_numpy(features).float())
    return np.asarray(outputs.numpy(), np.float64)
