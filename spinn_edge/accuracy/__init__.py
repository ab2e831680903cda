"""Whether two forms of a model compute the same, and how good its predictions are."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinn_edge.accuracy.comparison import OutputComparator
    from spinn_edge.accuracy.difference_figure import visualize_diff
    from spinn_edge.accuracy.divergence import locate_divergence
    from spinn_edge.accuracy.error_waterfall import waterfall
    from spinn_edge.accuracy.physics import check_physics
    from spinn_edge.accuracy.physics_questions import PhysicsLimits, PhysicsQuestions
    from spinn_edge.accuracy.validation import AccuracyValidator, validate_optimization

__all__ = [
    "AccuracyValidator",
    "OutputComparator",
    "PhysicsLimits",
    "PhysicsQuestions",
    "check_physics",
    "locate_divergence",
    "validate_optimization",
    "visualize_diff",
    "waterfall",
]

_HOMES = {
    "AccuracyValidator": "validation",
    "OutputComparator": "comparison",
    "PhysicsLimits": "physics_questions",
    "PhysicsQuestions": "physics_questions",
    "check_physics": "physics",
    "locate_divergence": "divergence",
    "validate_optimization": "validation",
    "visualize_diff": "difference_figure",
    "waterfall": "error_waterfall",
}


def __getattr__(name: str) -> Any:  # what a name needs is imported when it is asked for
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
