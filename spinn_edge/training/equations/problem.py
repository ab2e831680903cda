"""What a physics-informed problem consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from spinn_edge.training.derivatives import Columns

Points = Mapping[str, torch.Tensor]
"""Tensors of one training step by name, each (rows, columns)."""
Function = Callable[[torch.Tensor], torch.Tensor]


class Evaluate(Protocol):
    """Runs a network and differentiates it; see :func:`spinn_edge.training.derivatives.evaluate`.

    A problem is written once over this, so every way to differentiate trains the same loss.
    """

    def __call__(
        self, x: torch.Tensor, wanted: Sequence[Columns], output: int | None = None
    ) -> tuple[torch.Tensor, dict[Columns, torch.Tensor]]:
        """Return the outputs, and the derivatives of one output column or of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One frozen problem: equation, domain, conditions, points and network.

    Attributes:
        name: as it is asked for, ``allen-cahn``.
        title: as people write it, ``Allen–Cahn``.
        formula: what is solved, with domain and conditions.
        widths: of the tanh MLP that learns it.
        sample: draws the points of every step of one epoch, float64, same shapes in each.
        loss: scalar loss of one step.
        exact: the solution, (rows, inputs) -> (rows, 1), float64; None where no closed form is
            known.
    """

    name: str
    title: str
    formula: str
    widths: tuple[int, ...]
    sample: Callable[[torch.Generator], tuple[Points, ...]]
    loss: Callable[[Evaluate, Points], torch.Tensor]
    exact: Function | None = None
