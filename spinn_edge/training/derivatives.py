"""Derivatives of a network along its input columns, in a form that torch.compile can compile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch.func import jvp

from spinn_edge.core.errors import UsageError

Columns = tuple[int, ...]
Network = Callable[[torch.Tensor], torch.Tensor]
_Values = dict[Columns, torch.Tensor]
_Pair = tuple[_Values, _Values]
_Family = Callable[[torch.Tensor], _Values]


def evaluate(
    network: Network, x: torch.Tensor, wanted: Iterable[Columns]
) -> tuple[torch.Tensor, dict[Columns, torch.Tensor]]:
    """Run a network and differentiate it along columns of its input.

    Ordinary ``backward`` goes through all results to the parameters. Built on ``torch.func.jvp``:
    ``torch.autograd.grad(..., create_graph=True)`` gives the same numbers and cannot be compiled.
    Compile what calls this with :func:`spinn_edge.training.pinn_step.compile_loss`.
    A pass for (1, 1) gives the value and (1,) too, so what one pass gives no other one computes.

    Args:
        network: x -> outputs, (rows, inputs) -> (rows, outs); no row may depend on another one
            (no batch normalisation in training mode). A module does, or ``functional_call`` of one.
        x: (rows, inputs), floating, on the network's device.
        wanted: input columns to differentiate along, one after the other: (1,) is du/dx1, (0, 1)
            is d2u/(dx0 dx1); any order.

    Returns:
        The outputs, and for each of ``wanted`` its derivative, (rows, outs), under the tuple given.

    Raises:
        UsageError: x is no table, or a tuple is empty or names a column that x does not have.

    Source: Griewank and Walther (2008), "Evaluating Derivatives", chapter 3 (the forward mode).
    """
    asked = tuple(wanted)
    _check(x, asked)
    found: _Values = {}
    # the longest first: its pass answers shorter ones too
    for columns in sorted(asked, key=len, reverse=True):
        if tuple(sorted(columns)) not in found:
            found |= _nested(network, x, columns)(x)
    outputs = found[()] if found else network(x)
    return outputs, {columns: found[tuple(sorted(columns))] for columns in asked}


def _nested(network: Network, x: torch.Tensor, columns: Columns) -> _Family:
    """Return the function that gives the value and every derivative along part of ``columns``."""

    def value(z: torch.Tensor) -> _Values:
        return {(): network(z)}

    family: _Family = value
    for column in columns:
        family = _one_more(family, x, column)
    return family


def _one_more(family: _Family, x: torch.Tensor, column: int) -> _Family:
    # as rows are independent, one direction for all rows gives each row its own derivative
    direction = torch.zeros_like(x)
    direction[:, column] = 1.0

    def along(z: torch.Tensor) -> _Values:
        # jvp is annotated for a third result that only has_aux gives
        values, slopes = cast(_Pair, jvp(family, (z,), (direction,)))
        return values | {
            tuple(sorted((*columns, column))): slope for columns, slope in slopes.items()
        }

    return along


def _check(x: torch.Tensor, asked: tuple[Columns, ...]) -> None:
    if x.ndim != 2:
        raise UsageError(
            f"derivatives need inputs of shape (rows, inputs), got {tuple(x.shape)}; "
            "give one row as x[None]"
        )
    for columns in asked:
        if not columns or not all(0 <= column < x.shape[1] for column in columns):
            raise UsageError(
                f"cannot differentiate along columns {columns}: name one or more of "
                f"0 ... {x.shape[1] - 1}"
            )
