"""Standardisation as part of the network: folded into its first and last layers, and out again."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from spinn_edge.core.manifest import Scaling
from spinn_edge.models.modules import MLP, linear_layers
from spinn_edge.training.dataset import Floats, Rows


def fit_scaling(rows: Rows) -> Scaling:
    """Measure mean and standard deviation of each column; a constant column gets a deviation of 1.

    A column counts as constant when its deviation is lost in rounding beside its magnitude.
    """
    feature_mean, feature_std = _moments(rows.features)
    target_mean, target_std = _moments(rows.targets)
    return Scaling(
        feature_mean=feature_mean,
        feature_std=feature_std,
        target_mean=target_mean,
        target_std=target_std,
    )


def standardise(rows: Rows, scaling: Scaling) -> Rows:
    """Return the rows with zero mean and unit deviation in each column."""
    return Rows(
        features=(rows.features - np.array(scaling.feature_mean)) / np.array(scaling.feature_std),
        targets=(rows.targets - np.array(scaling.target_mean)) / np.array(scaling.target_std),
    )


def fold(mlp: MLP, scaling: Scaling) -> MLP:
    """Turn a network on standardised values into one from raw features to physical units.

    With x' = (x - m) / s before the first layer and y = y' s_y + m_y after the last one:
    W_1 <- W_1 / s, b_1 <- b_1 - W_1 m / s; W_n <- s_y W_n, b_n <- s_y b_n + m_y, computed in
    float64.

    Args:
        mlp: float32 network on standardised values; not changed.
        scaling: of its inputs and outputs.

    Returns:
        A new float32 network in evaluation mode.
    """
    mean, std, target_mean, target_std = _tensors(scaling)
    folded = copy.deepcopy(mlp).double()
    first, last = linear_layers(folded)[0], linear_layers(folded)[-1]
    with torch.no_grad():
        first.weight.div_(std)
        first.bias.sub_(first.weight @ mean)
        last.weight.mul_(target_std[:, None])
        last.bias.mul_(target_std).add_(target_mean)
    return folded.float().eval()


def unfold(mlp: MLP, scaling: Scaling) -> MLP:
    """Undo :func:`fold`: any plain MLP becomes one on standardised values.

    Args:
        mlp: float32 network from raw features to physical units; not changed.
        scaling: to take out.

    Returns:
        A new float32 network in evaluation mode.
    """
    mean, std, target_mean, target_std = _tensors(scaling)
    plain = copy.deepcopy(mlp).double()
    first, last = linear_layers(plain)[0], linear_layers(plain)[-1]
    with torch.no_grad():
        last.bias.sub_(target_mean).div_(target_std)
        last.weight.div_(target_std[:, None])
        first.bias.add_(first.weight @ mean)
        first.weight.mul_(std)
    return plain.float().eval()


class Standardised(nn.Module):
    """A network from raw features to physical units, with standardised values around it.

    Its parameters are the network's own, under ``network.``.
    """

    scale_in: torch.Tensor
    shift_in: torch.Tensor
    scale_out: torch.Tensor
    shift_out: torch.Tensor

    def __init__(self, network: nn.Module, scaling: Scaling) -> None:
        """Wrap a network.

        Args:
            network: float32 (batch, features) to (batch, targets).
            scaling: of its inputs and outputs.
        """
        super().__init__()
        self.network = network
        mean, std, target_mean, target_std = _tensors(scaling)
        for name, values in {
            "scale_in": torch.diag(std),
            "shift_in": mean,
            "scale_out": torch.diag(1 / target_std),
            "shift_out": -target_mean / target_std,
        }.items():
            self.register_buffer(name, values.float(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # products of matrices: elementwise ones inside nested forward derivatives do not compile
        y = self.network(nn.functional.linear(x, self.scale_in, self.shift_in))
        return nn.functional.linear(y, self.scale_out, self.shift_out)


def _moments(values: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    mean, std = values.mean(axis=0), values.std(axis=0)
    constant = std <= 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300)
    return tuple(mean.tolist()), tuple(np.where(constant, 1.0, std).tolist())


def _tensors(scaling: Scaling) -> tuple[torch.Tensor, ...]:
    return tuple(
        torch.tensor(values, dtype=torch.float64)
        for values in (
            scaling.feature_mean,
            scaling.feature_std,
            scaling.target_mean,
            scaling.target_std,
        )
    )
