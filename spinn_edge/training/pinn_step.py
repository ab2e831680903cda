"""A training step whose loss has derivatives in it, made in three ways that compute the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from spinn_edge.core.errors import UsageError
from spinn_edge.training import derivatives
from spinn_edge.training.derivatives import Columns
from spinn_edge.training.equations.problem import Evaluate, Function, Points

AUTOGRAD, FORWARD, COMPILED = "autograd", "func", "compiled"
WAYS = (AUTOGRAD, FORWARD, COMPILED)
"""``autograd``: eager, ``torch.autograd.grad(..., create_graph=True)``, as most people write it;
``func``: eager, ``torch.func.jvp``; ``compiled``: the same through ``torch.compile``."""

Parameters = Mapping[str, torch.Tensor]
Loss = Callable[[Evaluate, Points], torch.Tensor]
Gradient = Callable[[Points], torch.Tensor]


def gradient_of(network: nn.Module, loss: Loss, way: str) -> Gradient:
    """Return the function that computes a loss and adds its gradient to the parameters' ``grad``.

    Args:
        network: (rows, inputs) -> (rows, outputs); its rows do not depend on each other.
        loss: as :attr:`spinn_edge.training.equations.problem.Problem.loss`.
        way: one of ``WAYS``.

    Returns:
        Points -> the loss, detached. The first call of a compiled one compiles.

    Raises:
        UsageError: unknown way.
    """
    if way not in WAYS:
        raise UsageError(f"unknown way '{way}'; known: {', '.join(WAYS)}")
    if way == AUTOGRAD:
        return _backward(partial(loss, partial(by_autograd, network)))

    def of_parameters(parameters: Parameters, points: Points) -> torch.Tensor:
        def run(x: torch.Tensor) -> torch.Tensor:
            return functional_call(network, dict(parameters), (x,))  # type: ignore[no-any-return]

        return loss(partial(by_forward_mode, run), points)

    made = compile_loss(of_parameters) if way == COMPILED else of_parameters
    parameters = dict(network.named_parameters())  # the optimiser changes them in place
    return _backward(lambda points: made(parameters, points))


def compile_loss(
    loss: Callable[[Parameters, Points], torch.Tensor],
) -> Callable[[Parameters, Points], torch.Tensor]:
    """Compile a loss written over ``derivatives.evaluate``, as a whole, backward pass included.

    A part that cannot be compiled is an error at the first call, not a silent piece of eager.

    Args:
        loss: of (parameters, points), all its parameters and points among its arguments.
    """
    # no torch._inductor before somebody compiles
    from spinn_edge.training.zero_tangents import DropZeroTangents

    options: dict[str, Any] = {"joint_custom_pre_pass": DropZeroTangents()}
    return torch.compile(loss, fullgraph=True, dynamic=False, options=options)


def step_of(gradient: Gradient, optimizer: torch.optim.Optimizer) -> Gradient:
    """Return a whole training step: gradients, then the optimiser; gives the loss before it."""

    def step(points: Points) -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        value = gradient(points)
        optimizer.step()
        return value

    return step


def by_forward_mode(
    network: Function, x: torch.Tensor, wanted: Sequence[Columns], output: int | None = None
) -> tuple[torch.Tensor, dict[Columns, torch.Tensor]]:
    """Call :func:`derivatives.evaluate`, and keep one output's derivatives, or those of all."""
    outputs, slopes = derivatives.evaluate(network, x, wanted)
    if output is None:
        return outputs, slopes
    return outputs, {columns: slope[:, output : output + 1] for columns, slope in slopes.items()}


def by_autograd(
    network: Function, x: torch.Tensor, wanted: Sequence[Columns], output: int | None = None
) -> tuple[torch.Tensor, dict[Columns, torch.Tensor]]:
    """Do what :func:`derivatives.evaluate` does in reverse mode, in the ordinary way.

    One ``autograd.grad`` gives an output's slope along every column; slopes are shared between
    derivatives that begin alike.

    Args:
        network: as there.
        x: as there.
        wanted: as there.
        output: column to differentiate; None for all, a pass for each.
    """
    if not wanted:
        return network(x), {}
    x = x.detach().requires_grad_()
    outputs = network(x)
    chosen = range(outputs.shape[1]) if output is None else (output,)
    columns = [_by_column(outputs[:, column], x, wanted) for column in chosen]
    return outputs, {
        asked: torch.stack([found[asked] for found in columns], dim=1) for asked in wanted
    }


def _by_column(
    values: torch.Tensor, x: torch.Tensor, wanted: Sequence[Columns]
) -> dict[Columns, torch.Tensor]:
    slopes: dict[Columns, torch.Tensor] = {}

    def along(columns: Columns) -> torch.Tensor:
        if not columns:
            return values
        *before, last = columns
        start = tuple(before)
        if start not in slopes:
            (slopes[start],) = torch.autograd.grad(along(start).sum(), x, create_graph=True)
        return slopes[start][:, last]

    return {columns: along(columns) for columns in wanted}


def _backward(loss: Callable[[Points], torch.Tensor]) -> Gradient:
    def gradient(points: Points) -> torch.Tensor:
        value = loss(points)
        value.backward()  # type: ignore[no-untyped-call]
        return value.detach()

    return gradient
