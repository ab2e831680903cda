"""Pruning of a network that maps raw features to physical units, fine-tuned on a table."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from spinn_edge.core.manifest import DataRecipe, Scaling
from spinn_edge.models.modules import MLP
from spinn_edge.pruning.request import PruningRequest
from spinn_edge.pruning.rounds import PrunedModel, RoundEvents, RoundState, prune_in_rounds
from spinn_edge.pruning.schedule import Stage
from spinn_edge.pruning.staged.continuation import Stages
from spinn_edge.pruning.staged.stage_state import load_state, to_stage
from spinn_edge.training.dataset import Split
from spinn_edge.training.distillation import Distillation
from spinn_edge.training.fitting import Epoch, Fit, TensorBatches
from spinn_edge.training.objectives import Term
from spinn_edge.training.physics.lesson import PhysicsLesson
from spinn_edge.training.physics.units import Units
from spinn_edge.training.reference import BATCH_SIZE, Optimisation, fit_scaled
from spinn_edge.training.scaling import Standardised, fold, standardise, unfold


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuning:
    """How each round's weights are tuned.

    Attributes:
        optimisation: epochs and learning rate of every round, and the seed.
        schedule: epochs and learning rate of each round, in order; empty takes those of
            ``optimisation``.
        physics: an equation and slopes to learn beside the rows.
        distillation: weight of the distance to the outputs of the network before pruning, beside
            the data's 1; 0 leaves it out.
    """

    optimisation: Optimisation
    schedule: tuple[Stage, ...] = ()
    physics: PhysicsLesson = field(default_factory=PhysicsLesson)
    distillation: float = 0.0

    def of_round(self, number: int) -> Optimisation:
        """Return how a round is tuned, counted from 1; each has a seed of its own."""
        seeded = replace(self.optimisation, seed=self.optimisation.seed + number)
        if not self.schedule:
            return seeded
        stage = self.schedule[number - 1]
        return replace(seeded, epochs=stage.epochs, learning_rate=stage.learning_rate)


def prune_on_rows(
    module: nn.Module,
    split: Split,
    recipe: DataRecipe,
    scaling: Scaling,
    request: PruningRequest,
    tuning: FineTuning,
    *,
    stages: Stages | None = None,
    events: RoundEvents[nn.Module] | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> PrunedModel[nn.Module]:
    """Prune and fine-tune on standardised values, where every output weighs the same.

    A plain MLP is pruned with the scaling taken out of its weights; any other network as it is,
    with the scaling around it while it is tuned.

    Args:
        module: from raw features to physical units; not changed.
        split: rows in raw units.
        recipe: says what the columns are called.
        scaling: of features and targets.
        request: what to remove.
        tuning: how each round is tuned.
        stages: keeps every round on disk; None keeps nothing.
        events: hears of rounds. The networks that it sees map raw features to physical units.
        on_epoch: called after each epoch.

    Returns:
        The smaller network, from raw features to physical units, and the audit.

    Raises:
        PruningError: the target cannot be reached.
        UsageError: training diverged, or the stages are of another run.
        BundleError: a stage is damaged or cannot be written.
    """
    events = events or RoundEvents()
    is_mlp = isinstance(module, MLP)
    given: nn.Module = unfold(module, scaling) if isinstance(module, MLP) else module

    def standardised(network: nn.Module) -> nn.Module:
        return network if is_mlp else Standardised(network, scaling)

    def physical(network: nn.Module) -> nn.Module:
        return fold(network, scaling) if isinstance(network, MLP) else network

    teacher = standardised(given)

    def tune(network: nn.Module, number: int) -> Fit:
        optimisation = tuning.of_round(number)
        terms: list[Term] = list(
            tuning.physics.terms(
                recipe, split.train.features, Units(scaling=scaling), seed=optimisation.seed
            )
        )
        if tuning.distillation:
            shown = copy.deepcopy(teacher).to(optimisation.device)
            terms.append(Distillation(teacher=shown, weight=tuning.distillation))
        return fit_scaled(
            standardised(network), split, scaling, optimisation, on_epoch, terms=terms
        )

    def after_round(state: RoundState[nn.Module]) -> None:
        if stages is not None:
            stages.keep(to_stage(state, given, stages.request))
        shown = physical(state.module) if state.number else module
        events.after_round(replace(state, module=shown))

    rows = standardise(split.train, scaling) if is_mlp else split.train
    pruned = prune_in_rounds(
        given,
        request,
        tune=tune,
        example=(torch.from_numpy(rows.features[:8]).float(),),
        batches=TensorBatches(rows, batch_size=BATCH_SIZE),
        loss=_plain_loss if is_mlp else _scaled_loss(scaling),
        events=RoundEvents(on_round=events.on_round, after_round=after_round),
        begin=stages.begin(lambda store, n: load_state(store, n, given)) if stages else None,
        last=stages.rollback if stages else None,
    )
    if not pruned.audit.rounds:  # the given network itself, without the rounding of two scalings
        return replace(pruned, module=copy.deepcopy(module).eval())
    return replace(pruned, module=physical(pruned.module))


def _plain_loss(predicted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return nn.functional.mse_loss(predicted, wanted)


def _scaled_loss(scaling: Scaling) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return the mean squared error in deviations of the targets."""
    std = torch.tensor(scaling.target_std)

    def loss(predicted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return nn.functional.mse_loss(predicted / std, wanted / std)

    return loss
