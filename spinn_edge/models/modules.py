"""The reference network. This file imports torch; import it only where torch is needed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from spinn_edge.core.errors import UsageError


class Sin(nn.Module):
    """Elementwise sine, the activation of SIREN.

    Source: Sitzmann et al. (2020), "Implicit neural representations with periodic activation
    functions", without its frequency factor, which a first layer can carry in its weights.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(x)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sin": Sin,
}


class MLP(nn.Sequential):
    """Linear layers with one activation between them and none after the last.

    Maps float32 of shape (batch, widths[0]) to (batch, widths[-1]).
    """

    def __init__(self, widths: Sequence[int], activation: str) -> None:
        """Build the layers with PyTorch's default initial weights.

        Args:
            widths: input width, hidden widths, output width.
            activation: a key of ``ACTIVATIONS``.

        Raises:
            UsageError: fewer than two widths, a width under 1, an unknown activation.
        """
        if len(widths) < 2 or min(widths) < 1:
            raise UsageError(f"an MLP needs two or more widths of at least 1, got {list(widths)}")
        function = find_activation(activation)
        layers: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise(widths):
            layers += [nn.Linear(fan_in, fan_out), function()]
        super().__init__(*layers[:-1])
        self.widths = tuple(widths)
        self.activation = activation


def find_activation(name: str) -> type[nn.Module]:
    """Return the module class called ``name``.

    Raises:
        UsageError: unknown name; lists the known ones.
    """
    if name not in ACTIVATIONS:
        raise UsageError(f"unknown activation '{name}'; known: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def linear_layers(mlp: MLP) -> list[nn.Linear]:
    """Return the Linear layers in order of data flow."""
    return [layer for layer in mlp if isinstance(layer, nn.Linear)]
