"""The last layer alone: the weights that fit the new rows and the old behaviour best, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from spinn_edge.core.adaptation_record import AdaptationSettings
from spinn_edge.training.adaptation.layers import MovingLayer, inputs_of
from spinn_edge.training.dataset import Floats

RIDGE = 0.1
"""Along a direction that golden inputs hardly excite, the old weights are held as if this share of
an average direction were seen there. Inputs of a last layer lie near few directions; along the
others a batch shows noise alone. Chosen among 1e-4 to 0.1 on the demo's shifted streams: the gain
grew with it, and fewer batches had to be refused."""


@dataclass(frozen=True, slots=True)
class _State:
    gram: Floats
    cross: Floats
    weight: torch.Tensor
    bias: torch.Tensor | None


class AnchoredLeastSquares:
    """Recursive least squares with an anchor that is never forgotten.

    With h the last layer's inputs (and a 1 for its bias), r what the parent's output lacks and D
    the change of the weights, every batch solves

        min  sum_t g^(n-t) |r_t - D h_t|^2  +  n0 mean_golden |D h|^2 + ridge

    exactly, in float64, where g = 1 - 1/memory. The second term is the replay of the golden data:
    the parent's outputs there count as n0 = memory * replay / (1 - replay) rows.

    Source: regularised recursive least squares, S. Haykin, "Adaptive Filter Theory", 5th edition,
    chapter 10. The usual recursion forgets its regularisation with the data and winds up where
    nothing new is seen; sums and one solve a batch do not.
    """

    method = "least squares"

    def __init__(
        self,
        network: nn.Module,
        layer: MovingLayer,
        *,
        unit: Floats,
        settings: AdaptationSettings,
    ) -> None:
        """Take the weights as they are for the parent's.

        Args:
            network: whose output is that of ``layer``; changed in place by :meth:`learn`.
            layer: the last one.
            unit: standard deviation or scale of each target, shape (targets,).
            settings: memory and replay.
        """
        self._network, self._layer, self._unit = network, layer.module, unit
        self._keep = 1 - 1 / settings.memory
        prior_rows = settings.memory * settings.replay / (1 - settings.replay)
        golden = self._with_one(layer.inputs)
        metric = golden.T @ golden / len(golden)
        ridge = RIDGE * np.trace(metric) / len(metric)
        self._anchor = max(prior_rows, 1.0) * (metric + ridge * np.eye(len(metric)))
        self._start = layer.module.weight.detach().clone()
        bias = layer.module.bias
        self._start_bias = None if bias is None else bias.detach().clone()
        self._gram = np.zeros_like(metric)
        self._cross = np.zeros((len(metric), len(unit)))

    @torch.no_grad()
    def learn(self, inputs: torch.Tensor, targets: Floats) -> None:
        """Take a batch in and solve for the weights.

        Args:
            inputs: shape (rows, features), the network's dtype.
            targets: float64, shape (rows, targets), target units.
        """
        with inputs_of(self._layer) as seen:
            self._network(inputs)
        h = self._with_one(seen[0])
        start = self._start.double().numpy().T
        old = h[:, : len(start)] @ start
        if self._start_bias is not None:
            old += self._start_bias.double().numpy()
        missing = (targets - old) / self._unit
        forget = self._keep ** len(h)
        self._gram = forget * self._gram + h.T @ h
        self._cross = forget * self._cross + h.T @ missing
        change = np.linalg.solve(self._anchor + self._gram, self._cross) * self._unit
        moved = torch.from_numpy(start + change[: len(start)]).T
        self._layer.weight.copy_(moved)
        if self._start_bias is not None:
            self._layer.bias.copy_(self._start_bias.double() + torch.from_numpy(change[-1]))

    def snapshot(self) -> Any:
        """Return all that :meth:`learn` changes."""
        bias = self._layer.bias
        return _State(
            self._gram,
            self._cross,
            self._layer.weight.detach().clone(),
            None if bias is None else bias.detach().clone(),
        )

    @torch.no_grad()
    def restore(self, state: Any) -> None:
        """Go back to a snapshot, the weights bit for bit."""
        self._gram, self._cross = state.gram, state.cross
        self._layer.weight.copy_(state.weight)
        if state.bias is not None:
            self._layer.bias.copy_(state.bias)

    def _with_one(self, inputs: torch.Tensor) -> Floats:
        h = inputs.double().numpy()
        return np.hstack([h, np.ones((len(h), 1))]) if self._layer.bias is not None else h
