"""How much a neuron matters. One function a criterion, one line each in the table."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

Importance = Callable[[nn.Linear, nn.Linear], torch.Tensor]


def l1_outgoing(layer: nn.Linear, following: nn.Linear) -> torch.Tensor:
    """Score neurons by the L1 norm of the weights they send on.

    Args:
        layer: the layer whose neurons are scored, weight (neurons, inputs).
        following: the next layer, weight (outputs, neurons).

    Returns:
        Scores, shape (neurons,); higher matters more.

    Source: Li et al. (2017), "Pruning filters for efficient ConvNets", applied to outgoing weights.
    """
    return following.weight.detach().abs().sum(dim=0)


IMPORTANCES: dict[str, Importance] = {"l1-outgoing": l1_outgoing}


def keep_top(scores: torch.Tensor, count: int) -> torch.Tensor:
    """Return the indices of the ``count`` highest scores, in ascending order of index.

    Ties go to the lower index, so that the choice does not depend on the sorting kernel.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    return order[:count].sort().values
