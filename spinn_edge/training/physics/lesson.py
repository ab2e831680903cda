"""What a network is told of physics beside its data, in the words of the command line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_edge.core.derivatives import ChannelNames, channel_names, parse_derivatives
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.core.slopes import parse_monotone
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.training.dataset import Floats
from spinn_edge.training.objectives import Term, check_weight
from spinn_edge.training.physics.collocation import Collocation
from spinn_edge.training.physics.terms import Monotonicity, Residual, ResidualFunction
from spinn_edge.training.physics.units import Units


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsLesson:
    """An equation and slopes to learn.

    Attributes:
        residual: the user's function; None for none.
        derivatives: what it may ask for, ``tool_wear:time`` or ``tool_wear:time:time``.
        monotone: slopes with their signs, ``tool_wear:time:+``; the function may ask for these
            slopes too, without their signs.
        collocation: points an epoch.
        sampling: key of :data:`spinn_edge.training.physics.collocation.SAMPLINGS`.
        weight: of each term beside the data's 1.

    Raises:
        UsageError: derivatives without an equation that could use them, or a weight that is
            negative or no number.
    """

    residual: ResidualFunction | None = None
    derivatives: tuple[str, ...] = ()
    monotone: tuple[str, ...] = ()
    collocation: int = 1024
    sampling: str = "rows"
    weight: float = 1.0

    def __post_init__(self) -> None:
        check_weight("physics", self.weight)
        if self.derivatives and self.residual is None:
            raise UsageError(
                f"the derivatives {', '.join(self.derivatives)} are for an equation, and none is "
                "named; add --residual module:function, or leave them out"
            )

    def terms(
        self, recipe: DataRecipe, features: Floats, units: Units, *, seed: int
    ) -> tuple[Term, ...]:
        """Return the terms, none where nothing is to be learnt.

        Args:
            recipe: says what the columns are called.
            features: training rows, float64 (rows, features), physical units.
            units: of the network that is trained.
            seed: of the collocation points.

        Raises:
            UsageError: an unknown column, a request of another form, fewer than one point, or an
                unknown sampling.
        """
        names = recipe_names(recipe)
        slopes = parse_monotone(self.monotone, names)
        requests = (*self.derivatives, *(one.derivative.request for one in slopes))
        wanted = parse_derivatives(requests, names)
        terms: list[Term] = []
        if self.residual is not None:
            points = self._points(features, seed)
            terms.append(
                Residual(
                    function=self.residual,
                    derivatives=wanted,
                    points=points,
                    units=units,
                    weight=self.weight,
                )
            )
        if slopes:
            points = self._points(features, seed)  # its own, or two terms would move one on
            terms.append(
                Monotonicity(slopes=slopes, points=points, units=units, weight=self.weight)
            )
        return tuple(terms)

    def _points(self, features: Floats, seed: int) -> Collocation:
        return Collocation(features, count=self.collocation, sampling=self.sampling, seed=seed)


def recipe_names(recipe: DataRecipe) -> ChannelNames:
    """Return what the columns of a network are called that is trained by this recipe."""
    one_input, one_output = (
        TensorSpec(name=name, shape=(None, len(columns)), dtype=np.dtype(np.float32))
        for name, columns in (("input", recipe.features), ("output", recipe.targets))
    )
    return channel_names(
        [one_input], [one_output], features=recipe.features, targets=recipe.targets
    )
