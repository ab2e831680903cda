"""Arguments of the public functions, told by their Python type before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real

import torch
from torch import nn

from spinn_edge.core.errors import PruningError, first_line


def check_network(model: object) -> None:
    """Refuse what is no network.

    Raises:
        PruningError: says what was given.
    """
    if not isinstance(model, nn.Module):
        raise PruningError(f"the network must be a torch.nn.Module, got {_given(model)}")


def check_masks(masks: object, name: str) -> None:
    """Refuse what is no table of tensors by weight name.

    Raises:
        PruningError: says what was given.
    """
    if not isinstance(masks, Mapping):
        raise PruningError(
            f"{name} must be a dictionary of tensors by weight name, as apply_pruning returns it, "
            f"got {_given(masks)}"
        )
    for key, mask in masks.items():
        if not isinstance(mask, torch.Tensor):
            raise PruningError(f"{name} must hold tensors; '{key}' is {_given(mask)}")


def check_ratio(ratio: object) -> None:
    """Refuse what is no share in (0, 1).

    Raises:
        PruningError: says what was given and what to give.
    """
    if isinstance(ratio, bool) or not isinstance(ratio, Real):
        raise PruningError(
            f"prune_ratio must be a number above 0 and below 1, got {_given(ratio)}; for 30 % "
            "give 0.3"
        )
    if not 0 < float(ratio) < 1:
        raise PruningError(
            f"prune_ratio is a share of the weights that are left, above 0 and below 1; got "
            f"{float(ratio):g}; for 30 % give 0.3"
        )


def check_count(count: object, name: str) -> None:
    """Refuse what is no whole number from 1 on.

    Raises:
        PruningError: says what was given.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise PruningError(f"{name} must be a whole number from 1 on, got {_given(count)}")


def check_function(function: object, name: str, takes: str) -> None:
    """Refuse what cannot be called.

    Raises:
        PruningError: says what was given and what it would be called with.
    """
    if not callable(function):
        raise PruningError(f"{name} must be a function of {takes}, got {_given(function)}")


def check_batches(batches: object, name: str) -> None:
    """Refuse what cannot be iterated over.

    Raises:
        PruningError: says what was given.
    """
    if not (hasattr(batches, "__iter__") or hasattr(batches, "__getitem__")):
        raise PruningError(f"{name} must give batches (x, y), got {_given(batches)}")


def move(model: nn.Module, device: torch.device | str) -> None:
    """Move a network.

    Raises:
        PruningError: there is no such device.
    """
    try:
        model.to(torch.device(device))
    except (TypeError, ValueError, RuntimeError, AssertionError) as exc:  # each build has its own
        raise PruningError(
            f"the network cannot be moved to device {device!r} ({first_line(exc)}); give one that "
            "is there, such as 'cpu'"
        ) from exc


def _given(value: object) -> str:
    return f"{value!r:.60} ({type(value).__name__})"
