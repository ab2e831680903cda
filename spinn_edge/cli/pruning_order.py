"""What was typed of ``spinn-edge prune``, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spinn_edge.cli.latency_target import LatencyWish
from spinn_edge.cli.pruning_request import Typed

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
