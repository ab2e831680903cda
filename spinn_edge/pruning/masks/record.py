"""What masking did, stage by stage: numbers only, no tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spinn_edge.core.decode import encode
from spinn_edge.pruning.layer_statistics import LayerStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedStage:
    """One stage of masking and fine-tuning.

    Attributes:
        number: from 1.
        requested: share of the weights to be masked after this stage.
        achieved: share that is masked, counted.
        weights: weights that can be masked, whole network.
        nonzero_weights: those that are not exactly 0 after fine-tuning.
        regrown: masked weights that are not 0; checked, always 0.
        epochs: epochs run.
        learning_rate: their peak.
        score: validation loss of the best epoch, in the loss function's unit; None if none ended.
        duration_s: wall time of its fine-tuning.
        layers: of the whole network, biases included.
    """

    number: int
    requested: float
    achieved: float
    weights: int
    nonzero_weights: int
    regrown: int
    epochs: int
    learning_rate: float
    score: float | None
    duration_s: float
    layers: tuple[LayerStatistics, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Masking:
    """The whole of it, as a bundle keeps it beside its masks.

    Attributes:
        scope: where weights compete: ``global`` or ``layer``.
        pattern: ``2:4``, or empty.
        stages: in order.
        left_alone: layers that a pattern does not fit, and why, by weight name.
        masked_before: share that was masked when it began.
    """

    scope: str
    pattern: str
    stages: tuple[MaskedStage, ...]
    left_alone: Mapping[str, str] = field(default_factory=dict)
    masked_before: float = 0.0

    @property
    def requested(self) -> float:
        """Share that was to be masked after the last stage; without one, what was before."""
        return self.stages[-1].requested if self.stages else self.masked_before

    @property
    def achieved(self) -> float:
        """Share that is masked, counted."""
        return self.stages[-1].achieved if self.stages else self.masked_before


def masking_document(masking: Masking) -> dict[str, Any]:
    """Return what was done and what it came to, as JSON values."""
    shares = {"requested": masking.requested, "achieved": masking.achieved}
    return {**encode(masking), **shares}
