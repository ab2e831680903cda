"""What was typed of ``spinn-edge prune``, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spinn_edge.cli.latency_target import LatencyWish
from spinn_edge.cli.pruning_request import Typed
from spinn_edge.core.words import dashed

if TYPE_CHECKING:
    from spinn_edge.core.tensors import TensorSpec
    from spinn_edge.models.loading import LoadOptions
    from spinn_edge.pruning.gates.gate import PruningGate
    from spinn_edge.pruning.request import PruningRequest
    from spinn_edge.pruning.schedule import Stage
    from spinn_edge.training.physics.lesson import PhysicsLesson


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How to prune what, and where to write it."""

    model: str
    out: Path
    load: LoadOptions
    typed: Typed
    request: PruningRequest
    schedule: tuple[Stage, ...]
    wish: LatencyWish | None
    epochs: int
    patience: int | None
    min_delta: float
    distil: float
    physics: PhysicsLesson | None
    compiled: bool
    device: str
    resume: bool
    rollback: int | None
    gate: PruningGate
    force: bool
    input_shapes: tuple[TensorSpec, ...]

    def epochs_of(self, number: int) -> tuple[int, int]:
        """Return the most epochs of a round, counted from 1, and those of all rounds after it."""
        rounds = range(1, self.rounds + 1)
        each = [self.schedule[n - 1].epochs if self.schedule else self.epochs for n in rounds]
        return each[number - 1], sum(each[number:])

    @property
    def rounds(self) -> int:
        """How many there are."""
        return len(self.request.cumulative_shares)

    def title_of(self, number: int, widths: Sequence[int]) -> str:
        """Return ``round 2 of 3, 18-256-256-2``."""
        return f"round {number} of {self.rounds}, {dashed(widths)}"
