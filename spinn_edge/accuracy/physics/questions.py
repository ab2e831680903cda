"""What is asked of the physics of a model, and how strictly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.derivatives import ChannelNames, channel_names
from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import Array

Residual = Callable[[Any, Any, Mapping[str, Array]], Array]
"""``residual(x, y, derivatives)``: what a differential equation leaves over at each sample.

``x`` and ``y`` are float64 arrays of shape (rows, columns), or dicts of them by name where the
model has several inputs or outputs; ``derivatives`` has an array of shape (rows,) for each request.
The result has one row a sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsLimits:
    """What is still good.

    Attributes:
        first: largest error of a first derivative, a share of its scale.
        second: likewise of a second derivative.
        growth: how many times larger than before a residual may be.
        violations: share of the samples at which a slope may have the wrong sign; None allows as
            many as the baseline has, and none where there is no baseline.

    Raises:
        UsageError: a limit that is negative or no number.
    """

    first: float = 1e-3
    second: float = 1e-2
    growth: float = 1.5
    violations: float | None = None

    def __post_init__(self) -> None:
        for name in ("first", "second", "growth", "violations"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise UsageError(f"the limit '{name}' is {value}; expected a number of at least 0")

    def of_order(self, order: int) -> float:
        """Return the limit of a first or second derivative."""
        return self.first if order == 1 else self.second


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsQuestions:
    """What to check.

    Attributes:
        derivatives: requests, ``tool_wear:time`` or ``tool_wear:time:time``.
        monotone: a first derivative and its sign, ``tool_wear:time:+``.
        residual: the user's function, with its name; None for none.
        residual_name: in tables.
        limits: how strictly.
        points: samples to check at, from the golden inputs.
    """

    derivatives: tuple[str, ...] = ()
    monotone: tuple[str, ...] = ()
    residual: Residual | None = None
    residual_name: str = "residual"
    limits: PhysicsLimits = field(default_factory=PhysicsLimits)
    points: int = 256


def names_in(bundle: Bundle) -> ChannelNames:
    """Return what the columns of a bundle's inputs and outputs are called, derivatives left out."""
    manifest = bundle.manifest
    given = {derivative.name for derivative in manifest.architecture.derivatives}
    outputs = [spec for spec in manifest.outputs if spec.name not in given]
    if manifest.training is None:
        return channel_names(manifest.inputs, outputs)
    recipe = manifest.training.recipe
    return channel_names(manifest.inputs, outputs, features=recipe.features, targets=recipe.targets)
