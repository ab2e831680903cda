"""An equation's residual and the signs of slopes, as terms of an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from spinn_edge.core.derivatives import Derivative
from spinn_edge.core.errors import UsageError, first_line
from spinn_edge.core.slopes import Monotone
from spinn_edge.training.objectives import Batch
from spinn_edge.training.physics.collocation import Collocation
from spinn_edge.training.physics.units import Units

ResidualFunction = Callable[[Any, Any, Mapping[str, Any]], Any]
"""``residual(x, y, derivatives)``: what a differential equation leaves over at each point.

``x`` and ``y`` have shape (points, columns), physical units; ``derivatives`` has shape (points,)
for each request. Here they are tensors; ``spinn_edge.accuracy.physics`` calls the same function
with NumPy arrays. A function of operators and slices alone serves both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Mean square of what an equation leaves over at collocation points.

    Attributes:
        function: the user's.
        derivatives: what it may ask for.
        points: where it is held.
        units: of the network.
        weight: factor in the sum.
        name: what it is recorded under.

    Source: Raissi, Perdikaris and Karniadakis (2019), "Physics-informed neural networks".
    """

    function: ResidualFunction
    derivatives: tuple[Derivative, ...]
    points: Collocation
    units: Units = field(default_factory=Units)
    weight: float = 1.0
    name: str = "residual"

    def before_step(self, step: int) -> None:
        """Move on to the points of a step."""
        self.points.before_step(step)

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the mean square.

        Raises:
            UsageError: the function fails, asks for a derivative that was not named, does not give
                a number for each point, or loses the gradients.
        """
        x = self.points.points.to(batch.x)
        y, slopes = self.units.evaluate(batch.model, x, self.derivatives)
        return self._call(x, y, slopes).square().mean()

    def _call(
        self, x: torch.Tensor, y: torch.Tensor, slopes: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        try:
            left = self.function(x, y, slopes)
        except KeyError as exc:
            raise UsageError(
                f"the residual asks for {exc}, but these derivatives were named: "
                f"{', '.join(slopes) or 'none'}; add it to --derivatives"
            ) from exc
        except Exception as exc:  # the user's own code may raise anything
            raise UsageError(
                f"residual(x, y, derivatives) fails ({type(exc).__name__}): {first_line(exc)}; it "
                "is given PyTorch tensors here, which NumPy functions cannot take: use operators, "
                "or torch functions where x is a tensor"
            ) from exc
        if not isinstance(left, torch.Tensor) or left.ndim == 0 or len(left) != len(x):
            given = list(left.shape) if isinstance(left, torch.Tensor) else type(left).__name__
            raise UsageError(
                f"the residual returned {given} for {len(x)} points, expected a tensor with one "
                "row each"
            )
        if torch.is_grad_enabled() and not left.requires_grad:
            raise UsageError(
                "the residual does not depend on the network: use y or derivatives in it, and "
                "neither detach() nor numpy()"
            )
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Monotonicity:
    """How far slopes lie on the wrong side of 0, averaged over slopes and collocation points.

    A hinge, so that a right slope costs nothing; it is linear, so that a slope that is wrong by
    little is still pushed. Slopes are counted in :meth:`Units.slope_scale`.

    Attributes:
        slopes: with their signs, at least one.
        points: where they are held.
        units: of the network.
        weight: factor in the sum.
        margin: how far on the right side a slope must lie, in the same scale.
        name: what it is recorded under.

    Source: Gupta, Shukla, Marla, Kolbeinsson and Yellepeddi (2019), "How to incorporate
    monotonicity in deep networks while preserving flexibility?": a hinge on point-wise gradients.
    """

    slopes: tuple[Monotone, ...]
    points: Collocation
    units: Units = field(default_factory=Units)
    weight: float = 1.0
    margin: float = 0.0
    name: str = "monotone"

    def before_step(self, step: int) -> None:
        """Move on to the points of a step."""
        self.points.before_step(step)

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the mean hinge."""
        x = self.points.points.to(batch.x)
        wanted = tuple(one.derivative for one in self.slopes)
        _, found = self.units.evaluate(batch.model, x, wanted)
        hinges = [
            torch.relu(
                self.margin
                - one.sign * found[one.derivative.request] / self.units.slope_scale(one.derivative)
            )
            for one in self.slopes
        ]
        return torch.stack(hinges).mean()
