"""Learning from rows: the loop, its data, its losses; adaptation to rows that come later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spinn_edge.core.optional import require

if TYPE_CHECKING:
    from spinn_edge.training.adaptation.adapter import OnlineAdapter

__all__ = ["OnlineAdapter"]

_HOMES = {"OnlineAdapter": "adaptation.adapter"}


def __getattr__(name: str) -> Any:  # torch is imported when a name is asked for, not before
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    require("torch", extra="export")
    return getattr(require(f"{__name__}.{_HOMES[name]}", extra="export"), name)
