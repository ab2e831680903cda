"""Stages of masking and fine-tuning, each counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.layer_statistics import layer_statistics
from spinn_edge.pruning.masks.applying import (
    PATTERN_RATIO,
    apply_masks,
    apply_pruning,
    check_none_regrown,
    held,
    left_alone_by_pattern,
    make_permanent,
    permanent_copy,
)
from spinn_edge.pruning.masks.choice import check_choice
from spinn_edge.pruning.masks.record import MaskedStage, Masking
from spinn_edge.pruning.masks.weights import (
    Masks,
    fit_masks,
    maskable_weights,
    masked_share,
    read_masks,
)
from spinn_edge.pruning.schedule import DEFAULT_TOLERANCE, CumulativeRow, Stage, verify_schedule
from spinn_edge.training.fitting import Fit

M = TypeVar("M", bound=nn.Module)
Tune = Callable[[nn.Module, Stage, int], Fit]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageState:
    """A network as one stage left it, to be kept somewhere and come back to.

    Attributes:
        number: of the stage; 0 is the network that was given.
        weights: state dict of a plain copy of the network, zeros where masked.
        masks: by weight name. A weight that is 0 without being masked is free to move.
        records: of the stages so far.
        fits: history of each stage's fine-tuning.
        interrupted: the user stopped the stage's fine-tuning.
    """

    number: int
    weights: dict[str, torch.Tensor]
    masks: Masks
    records: tuple[MaskedStage, ...] = ()
    fits: tuple[Fit, ...] = ()
    interrupted: bool = False


OnStage = Callable[[StageState], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedModel(Generic[M]):
    """A network of full size with zeros in it, and how it became so.

    Attributes:
        module: plain, its masks made permanent; in evaluation mode.
        masks: by weight name, True where the weight stays.
        masking: what was asked for and what was counted.
        fits: history of each stage's fine-tuning.
        interrupted: the user stopped it; stages may be missing.
    """

    module: M
    masks: Masks
    masking: Masking
    fits: tuple[Fit, ...]
    interrupted: bool


def mask_in_stages(
    model: M,
    *,
    tune: Tune,
    stages: Sequence[Stage | tuple[float, int, float]],
    target: float | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    scope: str = "global",
    pattern: str | None = None,
    existing_masks: Mapping[str, torch.Tensor] | None = None,
    begin: StageState | None = None,
    last: int | None = None,
    on_begin: Callable[[CumulativeRow], None] = lambda row: None,
    on_stage: OnStage = lambda state: None,
) -> MaskedModel[M]:
    """Mask and fine-tune in turn; what is masked once stays masked.

    Args:
        model: not changed.
        tune: trains the network it is given, in place, given the stage and its number from 1.
            Whatever its optimiser does, masked weights are 0 after each of its steps.
        stages: each ratio is a share of the weights that are left; with ``pattern`` one stage of
            ratio 0.5.
        target: share of the weights to be masked in the end; None takes what comes.
        tolerance: of the target.
        scope: as for :func:`apply_pruning`.
        pattern: likewise.
        existing_masks: what is masked from the start; the target counts it.
        begin: a stage that an earlier run of the same request ended with; it and those before it
            are not run again.
        last: stage to end with; None runs all.
        on_begin: called before each stage.
        on_stage: called with the network that was given as stage 0, once the first stage's masks
            are chosen, and after each stage: a good place to save it.

    Raises:
        PruningError: before any training where the schedule cannot reach the target; or the masks
            are of another network, or a masked weight is not 0 after a stage.
    """
    check_choice(scope, pattern)
    existing = fit_masks(model, existing_masks or {})
    working = permanent_copy(model)
    if begin is not None:
        working.load_state_dict(begin.weights)
    apply_masks(working, existing if begin is None else begin.masks)
    before = masked_share(existing)
    alone = dict[str, str]()
    # what a pattern reaches is counted once it is chosen, before training all the same
    goal = target if pattern is None else None
    rows = verify_schedule(stages, goal, tolerance, start=before if pattern is None else 0.0)
    if pattern is not None:
        _check_pattern_schedule(pattern, rows)
        alone = left_alone_by_pattern(working)
    state = begin or _as_given(working)
    for row in rows[state.number : last]:
        on_begin(row)
        achieved, masks = apply_pruning(
            working, row.stage.ratio, state.masks, scope=scope, pattern=pattern
        )
        if pattern is not None and target is not None:
            _check_pattern_target(achieved, target, tolerance, alone)
        if state.number == 0:  # not before: what cannot begin leaves nothing behind
            on_stage(state)
        start_s = time.monotonic()
        with held(working, masks):
            result = tune(working, row.stage, row.number)
        plain = permanent_copy(working)
        record = _record(plain, row, achieved, masks, result, time.monotonic() - start_s)
        state = StageState(
            number=row.number,
            weights=plain.state_dict(),
            masks=masks,
            records=(*state.records, record),
            fits=(*state.fits, result),
            interrupted=result.interrupted,
        )
        on_stage(state)
        if state.interrupted:
            break
    make_permanent(working)
    return MaskedModel(
        module=working.eval(),
        masks=state.masks,
        masking=Masking(
            scope=scope,
            pattern=pattern or "",
            stages=state.records,
            left_alone=alone,
            masked_before=before,
        ),
        fits=state.fits,
        interrupted=state.interrupted,
    )


def _as_given(working: nn.Module) -> StageState:
    weights = permanent_copy(working).state_dict()
    return StageState(number=0, weights=weights, masks=read_masks(working))


def _record(
    plain: nn.Module,
    row: CumulativeRow,
    achieved: float,
    masks: Masks,
    result: Fit,
    duration_s: float,
) -> MaskedStage:
    weights = maskable_weights(plain)
    return MaskedStage(
        number=row.number,
        requested=row.cumulative,
        achieved=achieved,
        weights=sum(weight.stored.numel() for weight in weights),
        nonzero_weights=sum(int(torch.count_nonzero(weight.values)) for weight in weights),
        regrown=check_none_regrown(plain, masks),
        epochs=len(result.history),
        learning_rate=row.stage.learning_rate,
        score=result.best.validation_loss if result.best else None,
        duration_s=duration_s,
        layers=layer_statistics(plain),
    )


def _check_pattern_schedule(pattern: str, rows: Sequence[CumulativeRow]) -> None:
    if [row.stage.ratio for row in rows] != [PATTERN_RATIO]:
        raise PruningError(
            f"pattern {pattern} masks half of every group of four at once; give one stage of ratio "
            f"{PATTERN_RATIO:g}, such as --schedule {PATTERN_RATIO:g}:20:1e-3"
        )


def _check_pattern_target(
    achieved: float, target: float, tolerance: float, alone: Mapping[str, str]
) -> None:
    if not abs(achieved - target) <= tolerance:
        reasons = "".join(f"; '{name}' is left alone: {why}" for name, why in alone.items())
        raise PruningError(
            f"the pattern masks {achieved:.2%} of the weights, and {target:.2%} is asked for "
            f"(within {tolerance:.2%}){reasons}; leave --target out or name {achieved:.4g}"
        )
