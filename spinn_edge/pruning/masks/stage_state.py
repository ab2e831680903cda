"""A stage of masking on disk, and a stage on disk as the one to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from spinn_edge.core.decode import decode
from spinn_edge.core.errors import BundleError, PruningError
from spinn_edge.pruning.layer_statistics import layer_statistics
from spinn_edge.pruning.masks.applying import permanent_copy
from spinn_edge.pruning.masks.record import MaskedStage
from spinn_edge.pruning.masks.stages import StageState
from spinn_edge.pruning.masks.weights import Masks, fit_masks, maskable_weights, masked_share
from spinn_edge.pruning.staged.stage_record import Stage, StageEpoch, StageRecord
from spinn_edge.pruning.staged.stages import StageStore

_MASK = "_mask"
"""Behind a weight's name; ``torch.nn.utils.prune`` keeps its mask under the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """What a record of masking has beside any stage's."""

    weights: int = 0
    nonzero_weights: int = 0
    regrown: int = 0
    learning_rate: float = 0.0


def to_stage(state: StageState, given: nn.Module, request: Mapping[str, Any]) -> Stage:
    """Return what :class:`spinn_edge.pruning.staged.stages.StageStore` keeps of a stage.

    Args:
        state: after the stage, or before the first.
        given: the network that the run began with.
        request: what decides the outcome of the run, by name.
    """
    done = state.records[-1] if state.records else None
    share = masked_share(state.masks)
    counted = _Counted()
    if done:
        counted = _Counted(
            weights=done.weights,
            nonzero_weights=done.nonzero_weights,
            regrown=done.regrown,
            learning_rate=done.learning_rate,
        )
    record = StageRecord(
        number=state.number,
        request=request,
        requested=done.requested if done else share,
        achieved=done.achieved if done else share,
        parameters=sum(parameter.numel() for parameter in given.parameters()),
        plan=asdict(counted),
        history=tuple(map(StageEpoch.of, state.fits[-1].history)) if state.fits else (),
        duration_s=done.duration_s if done else 0.0,
        layers=done.layers if done else layer_statistics(given),
        score={"validation_loss": done.score if done else None},
    )
    masks = {f"{name}{_MASK}": mask for name, mask in state.masks.items()}
    return Stage(record=record, weights={**state.weights, **masks})


def load_state(store: StageStore, number: int, given: nn.Module) -> StageState:
    """Return the stage of masking that was kept under a number.

    Args:
        store: the stages of the run.
        number: of the stage.
        given: the network that the run began with; not changed.

    Raises:
        UsageError: there is no such stage.
        BundleError: a stage is damaged, or belongs to another network.
    """
    stage = store.load(number)
    weights, masks = _parted(stage.weights, given, f"{store.folder}, stage {number}")
    earlier = [store.load(found).record for found in range(1, number + 1)]
    return StageState(
        number=number,
        weights=weights,
        masks=masks,
        records=tuple(_masked_stage(record, str(store.folder)) for record in earlier),
        fits=tuple(record.to_fit() for record in earlier),
    )


def _parted(
    tensors: Mapping[str, torch.Tensor], given: nn.Module, where: str
) -> tuple[dict[str, torch.Tensor], Masks]:
    """Return the state dict of a plain network, and the masks that lay beside it."""
    names = {f"{weight.name}{_MASK}": weight.name for weight in maskable_weights(given)}
    weights = {name: tensor for name, tensor in tensors.items() if name not in names}
    masks = {name: tensors[key] for key, name in names.items() if key in tensors}
    expected = {name: t.shape for name, t in permanent_copy(given).state_dict().items()}
    if len(masks) != len(names) or {k: v.shape for k, v in weights.items()} != expected:
        raise BundleError(
            f"{where}: its weights and masks do not fit the network that was given; start anew "
            "with another --out"
        )
    try:
        return weights, fit_masks(given, masks)
    except PruningError as exc:
        raise BundleError(f"{where}: {exc}; start anew with another --out") from exc


def _masked_stage(record: StageRecord, where: str) -> MaskedStage:
    counted = decode(_Counted, record.plan, where=f"{where}, stage {record.number}")
    return MaskedStage(
        number=record.number,
        requested=record.requested,
        achieved=record.achieved,
        weights=counted.weights,
        nonzero_weights=counted.nonzero_weights,
        regrown=counted.regrown,
        epochs=len(record.history),
        learning_rate=counted.learning_rate,
        score=record.score["validation_loss"],
        duration_s=record.duration_s,
        layers=record.layers,
    )
