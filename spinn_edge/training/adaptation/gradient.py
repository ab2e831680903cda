"""Several layers, or one behind which something follows: gradient steps with replay."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from spinn_edge.core.adaptation_record import AdaptationSettings
from spinn_edge.training.adaptation.layers import MovingLayer
from spinn_edge.training.dataset import Floats

STEPS = 10
"""Steps a batch."""


@dataclass(frozen=True, slots=True)
class _State:
    shifts: list[torch.Tensor]
    weights: list[torch.Tensor]
    adam: dict[str, Any]
    draws: torch.Tensor
    memory: tuple[tuple[torch.Tensor, torch.Tensor], ...]


class ReplaySteps:
    """Adam on new rows, remembered rows and golden rows together.

    A step moves a weight by a share of what counts at its place: the spread of the neuron's input
    sum over the golden data, divided by the size of what the weight multiplies there. So raw
    features of any magnitude, folded scaling and targets in any unit need no learning rate of
    their own, and a weight that golden data never excite stays where it is.

    Source: D. Kingma and J. Ba (2015), "Adam"; D. Rolnick et al. (2019), "Experience replay for
    continual learning".
    """

    method = "gradient steps"

    def __init__(
        self,
        network: nn.Module,
        layers: tuple[MovingLayer, ...],
        golden: torch.Tensor,
        *,
        unit: Floats,
        settings: AdaptationSettings,
    ) -> None:
        """Take the weights as they are for the parent's.

        Args:
            network: changed in place by :meth:`learn`.
            layers: what moves.
            golden: golden inputs, shape (samples, features).
            unit: standard deviation or scale of each target, shape (targets,).
            settings: learning rate, replay, memory, seed.
        """
        self._network, self._golden, self._settings = network, golden, settings
        self._moving = {n: p for layer in layers for n, p in layer.parameters.items()}
        self._starts = [p.detach().clone() for p in self._moving.values()]
        self._steps = [step for layer in layers for step in _step_sizes(layer)]
        self._shifts = [torch.zeros_like(p, requires_grad=True) for p in self._starts]
        self._adam = torch.optim.Adam(self._shifts, lr=settings.learning_rate)
        self._unit = torch.from_numpy(unit).to(golden.dtype)
        self._draw = torch.Generator().manual_seed(settings.seed)
        self._memory: deque[tuple[torch.Tensor, torch.Tensor]] = deque()
        with torch.no_grad():
            self._old = network(golden)

    def learn(self, inputs: torch.Tensor, targets: Floats) -> None:
        """Take some steps on a batch.

        Args:
            inputs: shape (rows, features), the network's dtype.
            targets: float64, shape (rows, targets), target units.
        """
        new = inputs, torch.from_numpy(targets).to(inputs.dtype)
        count, replay = len(inputs), self._settings.replay
        for _ in range(STEPS):
            x, y = self._with_remembered(*new)
            pick = torch.randint(len(self._golden), (count,), generator=self._draw)
            self._adam.zero_grad(set_to_none=True)
            outputs = self._moved(torch.cat([x, self._golden[pick]]))
            fresh = ((outputs[: len(x)] - y) / self._unit).square().mean()
            kept = ((outputs[len(x) :] - self._old[pick]) / self._unit).square().mean()
            loss = (1 - replay) * fresh + replay * kept
            loss.backward()
            self._adam.step()
        self._memory.append(new)
        while sum(len(x) for x, _ in self._memory) > max(self._settings.memory, count):
            self._memory.popleft()
        self._write()

    def snapshot(self) -> Any:
        """Return all that :meth:`learn` changes."""
        return _State(
            [shift.detach().clone() for shift in self._shifts],
            [parameter.detach().clone() for parameter in self._moving.values()],
            copy.deepcopy(self._adam.state_dict()),
            self._draw.get_state().clone(),
            tuple(self._memory),
        )

    @torch.no_grad()
    def restore(self, state: Any) -> None:
        """Go back to a snapshot, the weights bit for bit."""
        for shift, before in zip(self._shifts, state.shifts, strict=True):
            shift.copy_(before)
        for parameter, before in zip(self._moving.values(), state.weights, strict=True):
            parameter.copy_(before)
        self._adam.load_state_dict(copy.deepcopy(state.adam))
        self._draw.set_state(state.draws)
        self._memory = deque(state.memory)

    def _with_remembered(
        self, x: torch.Tensor, y: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a batch and as many rows that were learnt before."""
        if not self._memory:
            return x, y
        all_x = torch.cat([pair[0] for pair in self._memory])
        all_y = torch.cat([pair[1] for pair in self._memory])
        pick = torch.randint(len(all_x), (len(x),), generator=self._draw)
        return torch.cat([x, all_x[pick]]), torch.cat([y, all_y[pick]])

    def _moved(self, inputs: torch.Tensor) -> torch.Tensor:
        weights = {
            name: start + step * shift
            for name, start, step, shift in zip(
                self._moving, self._starts, self._steps, self._shifts, strict=True
            )
        }
        outputs: torch.Tensor = functional_call(self._network, weights, (inputs,))
        return outputs

    @torch.no_grad()
    def _write(self) -> None:
        parts = zip(self._moving.values(), self._starts, self._steps, self._shifts, strict=True)
        for parameter, start, step, shift in parts:
            parameter.copy_(start + step * shift)


def _step_sizes(layer: MovingLayer) -> list[torch.Tensor]:
    """Return how far a shift of 1 moves the weight and the bias of a layer."""
    given = layer.inputs.flatten(0, -2).double()
    gave = layer.outputs.flatten(0, -2).double()
    spread = gave.std(dim=0, unbiased=False)
    size = given.square().mean(dim=0).sqrt()
    reach = torch.where(size > 0, 1 / size.clamp_min(np.finfo(np.float64).tiny), 0.0)
    steps = [spread[:, None] * reach / given.shape[1] ** 0.5]
    if layer.module.bias is not None:
        steps.append(spread)
    return [step.to(layer.module.weight.dtype) for step in steps]
