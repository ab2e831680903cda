"""What one process is asked to time; imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spinn_edge.core.errors import UsageError

DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is trained.

    Attributes:
        name: of an equation, or of a bundle's folder.
        bundle: that folder; empty for an equation.
        data: CSV that the bundle learnt from; empty for its golden inputs, whose own outputs are
            the targets then.
        trust_factory: the bundle's factory may be called.
    """

    name: str
    bundle: str = ""
    data: str = ""
    trust_factory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRule:
    """How long steps are timed.

    Attributes:
        seconds: time for the steps of one launch; warm-up is not in it.
        iterations: number of steps instead.
    """

    seconds: float = 1.0
    iterations: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise UsageError(f"--seconds {self.seconds:g}: expected a time above 0, such as 1")
        if self.iterations is not None and self.iterations < 1:
            raise UsageError(f"--iterations {self.iterations}: expected 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One launch.

    Attributes:
        subject: what is trained.
        way: one of ``spinn_edge.training.pinn_step.WAYS``.
        seed: of initial weights and points.
        device: one of ``DEVICES``.
        threads: of the CPU.
        rule: how long.
        cache: folder for compiled code; every contest begins with an empty one.
        profile: also find out where the time of a step goes, after it was timed.
    """

    subject: Subject
    way: str
    seed: int
    device: str
    threads: int
    rule: StepRule
    cache: str
    profile: bool = False
