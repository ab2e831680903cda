"""Structured pruning: neurons are removed, not zeroed, and the result is audited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spinn_edge.core.optional import require

if TYPE_CHECKING:
    from spinn_edge.pruning.rounds import PrunedModel, prune_in_rounds
    from spinn_edge.pruning.training import structured_prune_and_finetune

__all__ = ["PrunedModel", "prune_in_rounds", "structured_prune_and_finetune"]

_HOMES = {
    "PrunedModel": "rounds",
    "prune_in_rounds": "rounds",
    "structured_prune_and_finetune": "training",
}


def __getattr__(name: str) -> Any:  # torch is imported when a name is asked for, not before
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    require("torch", extra="export")
    return getattr(require(f"{__name__}.{_HOMES[name]}", extra="export"), name)
