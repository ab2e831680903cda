"""A user's own measure of how much a channel matters, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from spinn_edge.core.errors import PruningError, first_line
from spinn_edge.pruning.graph.groups import Group

Importance = Callable[[Mapping[str, Tensor], Group], Tensor]
"""A user's own criterion: of all tensors of the network by their name in its state dict (float64,
host) and a group, to one score a channel; higher matters more."""


def importance_name(criterion: str | Importance) -> str:
    """Return the name for a record: that of the table, or ``package.module:function``."""
    if isinstance(criterion, str):
        return criterion
    name = getattr(criterion, "__qualname__", type(criterion).__qualname__)
    return f"{getattr(criterion, '__module__', type(criterion).__module__)}:{name}"


def own_scores(function: Importance, weights: Mapping[str, Tensor], group: Group) -> Tensor:
    """Call a user's function and look at what it gives.

    Args:
        function: the user's own.
        weights: all tensors of the network by name, float64, host.
        group: whose channels are scored.

    Returns:
        Shape (channels,), float64, host.

    Raises:
        PruningError: it failed, or gave no floating-point tensor of that shape.
    """
    name = importance_name(function)
    try:
        found: object = function(weights, group)
    except Exception as exc:  # the user's own code may raise anything
        raise PruningError(
            f"the importance {name} failed on '{group.name}': {type(exc).__name__}: "
            f"{first_line(exc)}"
        ) from exc
    wanted = f"expected one floating-point score for each of {group.channels} channels"
    if not isinstance(found, Tensor):
        raise PruningError(
            f"the importance {name} gave {type(found).__name__} for '{group.name}', {wanted}: a "
            f"torch.Tensor of shape ({group.channels},)"
        )
    if found.shape != (group.channels,) or not found.is_floating_point():
        raise PruningError(
            f"the importance {name} gave {found.dtype} of shape {tuple(found.shape)} for "
            f"'{group.name}', {wanted}: shape ({group.channels},)"
        )
    return found.detach().to("cpu", torch.float64)
