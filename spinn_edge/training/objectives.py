"""What training minimises: a weighted sum of named terms, each of them recorded."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from spinn_edge.core.errors import UsageError

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Of (prediction, y): a scalar mean over the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a term may look at in one step.

    Attributes:
        model: the network that is trained.
        x: its inputs, shape (batch, ...).
        y: targets, shape (batch, ...).
        prediction: ``model(x)``, computed once for all terms.
    """

    model: nn.Module
    x: torch.Tensor
    y: torch.Tensor
    prediction: torch.Tensor


class Term(Protocol):
    """One thing to make small.

    A term that changes from step to step has ``before_step`` too, see :class:`Stepping`.
    """

    @property
    def name(self) -> str:
        """What it is recorded under."""

    @property
    def weight(self) -> float:
        """Its factor in the sum, at least 0; 0 records it and does not follow it."""

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the unweighted value, a scalar with gradients to the model's parameters."""


@runtime_checkable
class Stepping(Protocol):
    """What is told where training stands, such as a term with points of its own."""

    def before_step(self, step: int) -> None:
        """Get ready for a step, counted from 0 in each epoch."""


class Objective(Protocol):
    """What training minimises. A plain function will do; ``WeightedSum`` records its terms too."""

    def __call__(self, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return a scalar with gradients to the model's parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Distance of the predictions from the targets.

    Attributes:
        loss: of (prediction, y), a scalar mean over the batch.
        weight: factor in the sum.
        name: what it is recorded under.
    """

    loss: Loss = nn.functional.mse_loss
    weight: float = 1.0
    name: str = "data"

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the loss of the batch."""
        return self.loss(batch.prediction, batch.y)


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """The sum of terms times their weights.

    Attributes:
        terms: at least one, each with a name of its own.

    Raises:
        UsageError: no terms, two of one name, or a weight that is negative or no number.
    """

    terms: Sequence[Term]

    def __post_init__(self) -> None:
        if not self.terms:
            raise UsageError("an objective needs at least one term, such as Data()")
        name, times = Counter(term.name for term in self.terms).most_common(1)[0]
        if times > 1:
            raise UsageError(f"{times} terms are called '{name}'; give each a name of its own")
        for term in self.terms:
            check_weight(term.name, term.weight)

    def __call__(self, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the sum for a batch."""
        return self.measure(model, x, y)[0]

    def measure(
        self, model: nn.Module, x: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the sum for a batch, and each term's value without its weight."""
        batch = Batch(model=model, x=x, y=y, prediction=model(x))
        values = {term.name: _scalar(term.name, term(batch)) for term in self.terms}
        weighted = (term.weight * values[term.name] for term in self.terms)
        return sum(weighted, torch.zeros((), device=x.device)), values

    def before_step(self, step: int) -> None:
        """Let every term that wants it get ready for a step, counted from 0 in each epoch."""
        for term in self.terms:
            if isinstance(term, Stepping):
                term.before_step(step)


def measure(
    objective: Objective, model: nn.Module, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return an objective's value for a batch, and those of its terms if it has any."""
    if isinstance(objective, WeightedSum):
        return objective.measure(model, x, y)
    value = _scalar("objective", objective(model, x, y))
    return value, {"objective": value}


def check_weight(name: str, weight: float) -> None:
    """Refuse a weight that cannot be meant.

    Raises:
        UsageError: it is negative, NaN or infinite.
    """
    if not (math.isfinite(weight) and weight >= 0):
        raise UsageError(
            f"the weight of '{name}' is {weight}; expected a number of at least 0, such as 1"
        )


def _scalar(name: str, value: object) -> torch.Tensor:
    if isinstance(value, torch.Tensor) and value.ndim == 0:
        return value
    given = f"shape {list(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)[:60]
    raise UsageError(
        f"the loss '{name}' returned {given}, expected one number in a tensor; end it with .mean()"
    )
