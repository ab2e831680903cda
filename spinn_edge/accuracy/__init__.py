"""Whether two forms of a model compute the same, and how good its predictions are."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinn_edge.accuracy.divergence.locating import locate_divergence
    from spinn_edge.accuracy.divergence.waterfall import waterfall
    from spinn_edge.accuracy.physics.checks import check_physics
    from spinn_edge.accuracy.physics.questions import PhysicsLimits, PhysicsQuestions
    from spinn_edge.accuracy.validation.comparison import OutputComparator
    from spinn_edge.accuracy.validation.difference_figure import visualize_diff
    from spinn_edge.accuracy.validation.validator import AccuracyValidator, validate_optimization

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
    "AccuracyValidator": "validation.validator",
    "OutputComparator": "validation.comparison",
    "PhysicsLimits": "physics.questions",
    "PhysicsQuestions": "physics.questions",
    "check_physics": "physics.checks",
    "locate_divergence": "divergence.locating",
    "validate_optimization": "validation.validator",
    "visualize_diff": "validation.difference_figure",
    "waterfall": "divergence.waterfall",
}


def __getattr__(name: str) -> Any:  # what a name needs is imported when it is asked for
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
