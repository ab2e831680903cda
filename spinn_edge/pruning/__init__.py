"""Structured pruning: neurons are removed, not zeroed, and the result is audited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spinn_edge.core.optional import require

if TYPE_CHECKING:
    from spinn_edge.pruning.criteria.importance import IMPORTANCES
    from spinn_edge.pruning.gates.gate import PruningGate, judge
    from spinn_edge.pruning.graph.find import find_groups
    from spinn_edge.pruning.masks.applying import apply_masks, apply_pruning, make_permanent
    from spinn_edge.pruning.masks.compaction import compact
    from spinn_edge.pruning.masks.files import load_masks, save_masks
    from spinn_edge.pruning.masks.fine_tuning import fine_tune
    from spinn_edge.pruning.masks.stages import mask_in_stages
    from spinn_edge.pruning.request import PruningRequest
    from spinn_edge.pruning.rounds import PrunedModel, RoundEvents, prune_in_rounds
    from spinn_edge.pruning.schedule import Stage, parse_schedule, verify_schedule
    from spinn_edge.pruning.staged.stages import StageStore
    from spinn_edge.pruning.targets.limits import Limits
    from spinn_edge.pruning.training import prune_with_loaders, structured_prune_and_finetune

__all__ = [
    "IMPORTANCES",
    "Limits",
    "PrunedModel",
    "PruningGate",
    "PruningRequest",
    "RoundEvents",
    "Stage",
    "StageStore",
    "apply_masks",
    "apply_pruning",
    "compact",
    "find_groups",
    "fine_tune",
    "judge",
    "load_masks",
    "make_permanent",
    "mask_in_stages",
    "parse_schedule",
    "prune_in_rounds",
    "prune_with_loaders",
    "save_masks",
    "structured_prune_and_finetune",
    "verify_schedule",
]

_HOMES = {
    "apply_masks": "masks.applying",
    "apply_pruning": "masks.applying",
    "make_permanent": "masks.applying",
    "compact": "masks.compaction",
    "fine_tune": "masks.fine_tuning",
    "load_masks": "masks.files",
    "save_masks": "masks.files",
    "mask_in_stages": "masks.stages",
    "Stage": "schedule",
    "parse_schedule": "schedule",
    "verify_schedule": "schedule",
    "PrunedModel": "rounds",
    "prune_in_rounds": "rounds",
    "structured_prune_and_finetune": "training",
    "prune_with_loaders": "training",
    "PruningRequest": "request",
    "RoundEvents": "rounds",
    "Limits": "targets.limits",
    "find_groups": "graph.find",
    "IMPORTANCES": "criteria.importance",
    "PruningGate": "gates.gate",
    "judge": "gates.gate",
    "StageStore": "staged.stages",
}


def __getattr__(name: str) -> Any:  # torch is imported when a name is asked for, not before
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    require("torch", extra="export")
    return getattr(require(f"{__name__}.{_HOMES[name]}", extra="export"), name)
