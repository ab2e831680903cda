"""Learning from a larger network's outputs beside the data."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from spinn_edge.core.errors import UsageError
from spinn_edge.training.objectives import Batch


class Distillation:
    """Distance of a network's outputs from a teacher's, on the rows of the batch.

    Attributes:
        weight: factor in the sum.
        name: what it is recorded under.
        temperature: see below.

    Source: Hinton, Vinyals and Dean (2015), "Distilling the knowledge in a neural network",
    section 2: gradients of softened targets scale as 1/T², so the term is multiplied by T².
    """

    def __init__(
        self,
        teacher: nn.Module,
        weight: float = 1.0,
        temperature: float | None = None,
        *,
        name: str = "distillation",
    ) -> None:
        """Freeze a copy of the teacher.

        Args:
            teacher: takes the same values as the network that learns, on the same device, and gives
                outputs of the same shape; not changed, nor followed when it changes.
            weight: factor in the sum.
            temperature: None for regression: mean squared error. For classification: the
                divergence of the softened class probabilities, of logits in the last axis.
            name: what it is recorded under.

        Raises:
            UsageError: the temperature is not above 0.
        """
        if temperature is not None and not (math.isfinite(temperature) and temperature > 0):
            raise UsageError(f"the temperature is {temperature}; expected a number above 0, like 4")
        self.weight, self.name, self.temperature = weight, name, temperature
        self._teacher = copy.deepcopy(teacher).eval().requires_grad_(False)

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return the distance.

        Raises:
            UsageError: the teacher's outputs have another shape.
        """
        with torch.no_grad():
            taught = self._teacher(batch.x)
        if taught.shape != batch.prediction.shape:
            raise UsageError(
                f"the teacher gives outputs of shape {list(taught.shape)}, the network "
                f"{list(batch.prediction.shape)}; distil from a network with the same outputs"
            )
        if self.temperature is None:
            return nn.functional.mse_loss(batch.prediction, taught)
        return _softened_divergence(batch.prediction, taught, self.temperature)


def _softened_divergence(
    logits: torch.Tensor, taught: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Return T² KL(teacher, student), a mean over samples."""
    soft = nn.functional.log_softmax(logits / temperature, dim=-1).flatten(end_dim=-2)
    aim = nn.functional.log_softmax(taught / temperature, dim=-1).flatten(end_dim=-2)
    divergence = nn.functional.kl_div(soft, aim, reduction="batchmean", log_target=True)
    return temperature**2 * divergence
