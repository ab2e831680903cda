"""Learning from rows: the loop, its data, its losses.

``adapt_bundle`` ends in an export, so it lives in ``spinn_edge.export``, above this room, and is
loaded when it is asked for (as ADR 0012 has it for ``spinn_edge.bench``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spinn_edge.core.optional import require

if TYPE_CHECKING:
    from spinn_edge.export.adapted import adapt_bundle
    from spinn_edge.training.adaptation.adapter import OnlineAdapter

__all__ = ["OnlineAdapter", "adapt_bundle"]

_HOMES = {
    "OnlineAdapter": "spinn_edge.training.adaptation.adapter",
    "adapt_bundle": "spinn_edge.export.adapted",
}


def __getattr__(name: str) -> Any:  # torch is imported when a name is asked for, not before
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    require("torch", extra="export")
    return getattr(require(_HOMES[name], extra="export"), name)
