"""Optimiser steps: one of them, eager or compiled, and all of an epoch."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import nn

from spinn_edge.core.errors import SpinnEdgeError, UsageError, first_line
from spinn_edge.training.objectives import Objective, Stepping, measure

Measured = tuple[torch.Tensor, dict[str, torch.Tensor]]
"""The objective's value, and the values of its terms by name."""


class Step(Protocol):
    """Moves the weights once."""

    @property
    def compile_s(self) -> float | None:
        """Wall time that went into compiling so far; None for a step that is not compiled."""

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> Measured:
        """Move the weights by one batch; return values at the weights before."""


class EagerStep:
    """PyTorch, operation by operation."""

    compile_s: float | None = None

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    ) -> None:
        """Take what a step needs; ``schedule`` is stepped after the optimiser."""
        self._model, self._objective = model, objective
        self._optimizer, self._schedule = optimizer, schedule

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> Measured:
        """Move the weights by one batch."""
        self._optimizer.zero_grad(set_to_none=True)
        total, values = self._measure(x, y)
        total.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        if self._schedule is not None:
            self._schedule.step()
        return total, values

    def _measure(self, x: torch.Tensor, y: torch.Tensor) -> Measured:
        return measure(self._objective, self._model, x, y)


class CompiledStep(EagerStep):
    """The forward pass and the objective, and so their gradients, through ``torch.compile``.

    ``fullgraph`` turns what cannot be compiled into an error, where torch would go on eagerly
    without a word. It is compiled once for each batch size: most epochs have two. What torch had
    compiled before in this process is dropped, since it keeps a limited number of variants of one
    function, and every round of pruning brings new ones.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what a step needs; compiling happens in the first steps."""
        super().__init__(model, objective, optimizer, schedule)
        from spinn_edge.training.zero_tangents import DropZeroTangents  # it loads the compiler

        torch.compiler.reset()
        options: dict[str, Any] = {"joint_custom_pre_pass": DropZeroTangents()}
        self._compiled = torch.compile(
            super()._measure, fullgraph=True, dynamic=False, options=options
        )
        self._known: set[torch.Size] = set()
        self._clock = clock
        self.compile_s: float | None = 0.0

    def __call__(self, x: torch.Tensor, y: torch.Tensor) -> Measured:
        """Move the weights by one batch, compiling if none of its size came before."""
        if x.shape in self._known:
            return super().__call__(x, y)
        if not self._known:
            # what is wrong with the user's functions is told plainly before torch.compile sees them
            measure(self._objective, copy.deepcopy(self._model), x, y)
        start_s = self._clock()
        try:
            measured = super().__call__(x, y)
        except SpinnEdgeError:
            raise
        except Exception as exc:  # tracing, code generation and compilers raise anything
            raise UsageError(
                f"torch.compile cannot compile the training step ({type(exc).__name__}: "
                f"{first_line(exc)}); leave out --compile, and SPINN_EDGE_COMPILE"
            ) from exc
        self._known.add(x.shape)
        self.compile_s = (self.compile_s or 0.0) + self._clock() - start_s
        return measured

    def _measure(self, x: torch.Tensor, y: torch.Tensor) -> Measured:
        measured: Measured = self._compiled(x, y)
        return measured


def run_epoch(
    model: nn.Module,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    objective: Objective,
    step: Step,
    device: torch.device | str,
    *,
    first: bool,
) -> tuple[float, dict[str, float]]:
    """Take a step for each batch.

    Args:
        model: put into training mode.
        batches: (x, y), each of shape (batch, ...).
        objective: told where training stands, if it wants to know.
        step: moves the weights.
        device: where batches are moved to.
        first: no weight has moved yet, so that NaN or Inf now is the fault of what is computed.

    Returns:
        Means over all samples: of the objective, and of its terms by name, without their weights.

    Raises:
        UsageError: there are no samples, or a term is NaN or Inf before the weights have moved.
    """
    model.train()
    names: list[str] = []
    rows, sizes = list[torch.Tensor](), list[int]()
    for number, (x, y) in enumerate(batches):
        if isinstance(objective, Stepping):
            objective.before_step(number)
        x, y = x.to(device), y.to(device)
        total, values = step(x, y)
        if first and number == 0:
            _check_start(values)
        names = list(values)
        # summed at the end: asking for a number here would wait for the device in every step
        rows.append(torch.stack([v.detach().double() for v in (total, *values.values())]))
        sizes.append(len(x))
    if not sizes:
        raise UsageError(
            "the training batches gave no samples; give a DataLoader or a list, which can be gone "
            "through once an epoch, and not a generator"
        )
    weights = torch.tensor(sizes, dtype=torch.float64)
    mean, *means = ((weights @ torch.stack(rows).cpu()) / weights.sum()).tolist()
    return mean, dict(zip(names, means, strict=True))


def _check_start(values: dict[str, torch.Tensor]) -> None:
    bad = [name for name, value in values.items() if not torch.isfinite(value)]
    if bad:
        raise UsageError(
            f"the loss '{bad[0]}' is {values[bad[0]].item()} for the weights that training starts "
            "from; correct its function, or the rows and points that it is given"
        )
