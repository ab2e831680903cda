"""A round as a stage on disk, and a stage as the round to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import BundleError, first_line
from spinn_edge.core.pruning_record import GroupPlan, RoundAudit
from spinn_edge.models.cutting import cut
from spinn_edge.pruning.layer_statistics import layer_statistics
from spinn_edge.pruning.rounds import RoundState, count
from spinn_edge.pruning.staged.stage_record import Stage, StageEpoch, StageRecord
from spinn_edge.pruning.staged.stages import StageStore

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """How the network of a stage is made again, and how it came to be."""

    groups: tuple[GroupPlan, ...]
    rounds: tuple[RoundAudit, ...]


def to_stage(state: RoundState[M], given: nn.Module, request: Mapping[str, Any]) -> Stage:
    """Return what :class:`spinn_edge.pruning.staged.stages.StageStore` keeps of a round.

    Args:
        state: after the round.
        given: the network that the run began with, for the widths before.
        request: what decides the outcome of the run, by name.
    """
    audit = state.audits[-1] if state.audits else None
    fit = state.fits[-1] if state.fits else None
    record = StageRecord(
        number=state.number,
        request=request,
        requested=audit.requested if audit else 0.0,
        achieved=audit.achieved if audit else 0.0,
        parameters=count(state.module),
        plan=encode(_Progress(groups=state.plan, rounds=state.audits)),
        history=tuple(map(StageEpoch.of, fit.history)) if fit else (),
        duration_s=(audit.duration_s or 0.0) if audit else 0.0,
        layers=layer_statistics(state.module, layer_statistics(given)),
        score={"validation_loss": audit.score if audit else None},
    )
    return Stage(record=record, weights=state.module.state_dict())


def load_state(store: StageStore, number: int, given: M) -> RoundState[M]:
    """Return the round that a stage was saved from.

    Args:
        store: the stages of the run.
        number: of the stage.
        given: the network that the run began with; not changed.

    Raises:
        UsageError: there is no such stage.
        BundleError: a stage is damaged, or belongs to another network.
    """
    stage = store.load(number)
    where = f"{store.folder}, stage {number}"
    progress = decode(_Progress, stage.record.plan, where=where)
    module = cut(given, progress.groups)
    try:
        module.load_state_dict(dict(stage.weights))
    except RuntimeError as exc:
        raise BundleError(
            f"{where}: its weights do not fit the network that was given ({first_line(exc)}); "
            "start anew with another --out"
        ) from exc
    return RoundState(
        number=number,
        module=module,
        plan=progress.groups,
        audits=progress.rounds,
        fits=tuple(store.load(earlier).record.to_fit() for earlier in range(1, number + 1)),
    )
