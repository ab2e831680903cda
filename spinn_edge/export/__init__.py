"""Writing a model in every format, and proving each one before it is called done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spinn_edge.core.optional import require

if TYPE_CHECKING:
    from spinn_edge.export.adapted import adapt_bundle

__all__ = ["adapt_bundle"]

_HOMES = {"adapt_bundle": "adapted"}


def __getattr__(name: str) -> Any:  # torch is imported when a name is asked for, not before
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    require("torch", extra="export")
    return getattr(require(f"{__name__}.{_HOMES[name]}", extra="export"), name)
