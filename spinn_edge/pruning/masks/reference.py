"""Masking of an MLP that maps raw features to physical units, fine-tuned on a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import nn

from spinn_edge.core.manifest import Scaling
from spinn_edge.models.modules import MLP
from spinn_edge.pruning.masks.applying import check_none_regrown, permanent_copy
from spinn_edge.pruning.masks.compaction import CompactModel, compact
from spinn_edge.pruning.masks.stage_state import load_state, to_stage
from spinn_edge.pruning.masks.stages import MaskedModel, OnStage, StageState, mask_in_stages
from spinn_edge.pruning.schedule import DEFAULT_TOLERANCE, CumulativeRow, Stage
from spinn_edge.pruning.staged.continuation import Stages
from spinn_edge.training.dataset import Split
from spinn_edge.training.fitting import Epoch, Fit
from spinn_edge.training.reference import Optimisation, fit_scaled
from spinn_edge.training.scaling import fold, unfold


def mask_on_rows(
    mlp: MLP,
    split: Split,
    scaling: Scaling,
    stages: Sequence[Stage],
    *,
    seed: int = 0,
    target: float | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    scope: str = "global",
    pattern: str | None = None,
    existing_masks: Mapping[str, torch.Tensor] | None = None,
    kept: Stages | None = None,
    on_begin: Callable[[CumulativeRow], None] = lambda row: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_stage: OnStage = lambda state: None,
) -> MaskedModel[MLP]:
    """Mask and fine-tune on standardised values, where magnitudes can be compared.

    Args:
        mlp: from raw features to physical units; not changed.
        split: rows in raw units.
        scaling: taken out before and folded in again after; it multiplies whole rows and columns
            of weights, so zeros stay zeros.
        stages: ratio, epochs and rate of each.
        seed: of the batch order; each stage has its own.
        target: as for :func:`spinn_edge.pruning.masks.stages.mask_in_stages`, like the rest.
        tolerance: likewise.
        scope: likewise.
        pattern: likewise.
        existing_masks: likewise.
        kept: keeps every stage on disk, where one may go on; None keeps nothing.
        on_begin: called before each stage.
        on_epoch: called after each epoch.
        on_stage: called with stage 0 and after each stage, as there; its state is of the network
            on standardised values.

    Returns:
        The network with zeros, from raw features to physical units, and how it became so.

    Raises:
        PruningError: the schedule cannot reach the target, or the masks are of another network.
        UsageError: training diverged, or the stages are of another run.
        BundleError: a stage is damaged or cannot be written.
    """
    given = unfold(mlp, scaling)

    def tune(network: nn.Module, stage: Stage, number: int) -> Fit:
        assert isinstance(network, MLP)
        optimisation = Optimisation(
            epochs=stage.epochs, learning_rate=stage.learning_rate, seed=seed + number
        )
        return fit_scaled(network, split, scaling, optimisation, on_epoch)

    def keep(state: StageState) -> None:
        if kept is not None and not state.interrupted:
            kept.keep(to_stage(state, given, kept.request))
        on_stage(state)

    masked = mask_in_stages(
        given,
        tune=tune,
        stages=stages,
        target=target,
        tolerance=tolerance,
        scope=scope,
        pattern=pattern,
        existing_masks=existing_masks,
        begin=kept.begin(lambda store, n: load_state(store, n, given)) if kept else None,
        last=kept.rollback if kept else None,
        on_begin=on_begin,
        on_stage=keep,
    )
    # untouched weights would be rounded by folding: stage 0 is the given network to the bit
    folded = fold(masked.module, scaling) if masked.masking.stages else permanent_copy(mlp).eval()
    check_none_regrown(folded, masked.masks)
    return replace(masked, module=folded)


def compact_on_rows(mlp: MLP, scaling: Scaling) -> CompactModel[MLP]:
    """Compact a network from raw features to physical units.

    The proof runs it on standardised values: in raw units random samples would only saturate it.

    Raises:
        PruningError: the smaller network does not give the same outputs.
    """
    small = compact(unfold(mlp, scaling))
    return replace(small, module=fold(small.module, scaling))
