"""Between the values that a network computes with while it is trained, and physical units."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from spinn_edge.core.derivatives import Derivative
from spinn_edge.core.manifest import Scaling
from spinn_edge.training.derivatives import evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What a network's inputs and outputs are counted in; a physics term sees physical units only.

    Attributes:
        scaling: of a network on standardised values; None for one on physical units.
    """

    scaling: Scaling | None = None

    def evaluate(
        self, model: nn.Module, x: torch.Tensor, wanted: tuple[Derivative, ...]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return outputs, shape (points, outputs), and derivatives by request, shape (points,).

        With x' = (x - m) / s and y = y' s_y + m_y: dy/dx = (s_y / s) dy'/dx', and a second
        derivative has both deviations below.

        Args:
            model: the network, each row on its own.
            x: points, shape (points, features), physical units, on the network's device.
            wanted: which derivatives.
        """
        columns = {one.request: tuple(channel.index for channel in one.inputs) for one in wanted}
        inside = x
        if self.scaling is not None:
            mean, std = self.scaling.feature_mean, self.scaling.feature_std
            inside = (x - x.new_tensor(mean)) / x.new_tensor(std)
        outputs, found = evaluate(model, inside, tuple(dict.fromkeys(columns.values())))
        if self.scaling is not None:
            mean, std = self.scaling.target_mean, self.scaling.target_std
            outputs = outputs * outputs.new_tensor(std) + outputs.new_tensor(mean)
        return outputs, {
            one.request: self.slope_scale(one) * found[columns[one.request]][:, one.output.index]
            for one in wanted
        }

    def slope_scale(self, derivative: Derivative) -> float:
        """Return what a derivative is naturally counted in, in its physical unit.

        One deviation of the output over those of the inputs; 1 without a scaling.
        """
        if self.scaling is None:
            return 1.0
        scale = self.scaling.target_std[derivative.output.index]
        for channel in derivative.inputs:
            scale /= self.scaling.feature_std[channel.index]
        return scale
