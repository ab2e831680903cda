"""Stages of pruning and fine-tuning, and what they reach, before any training. No tensors here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from spinn_edge.core.errors import PruningError

DEFAULT_TOLERANCE = 0.003
"""Allowed distance between requested and reached share: 0.3 percentage points."""

EXAMPLE = "0.3:10:1e-3,0.3:10:5e-4,0.2:10:2e-4,0.2:15:1e-4"
"""Four stages that leave 31.36 % of what was there."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a schedule.

    Attributes:
        ratio: share to remove of what is still left before the stage, in (0, 1).
        epochs: passes over the training rows afterwards, at least 1.
        learning_rate: peak of these epochs, above 0.

    Raises:
        PruningError: a value is out of its range.
    """

    ratio: float
    epochs: int
    learning_rate: float

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise PruningError(
                f"a stage's ratio is a share of what is left, above 0 and below 1; got "
                f"{self.ratio:g}; for 30 % write 0.3 or 30%"
            )
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, int) or self.epochs < 1:
            raise PruningError(f"a stage's epochs are a whole number from 1 on; got {self.epochs}")
        if not 0 < self.learning_rate < math.inf:
            raise PruningError(
                f"a stage's learning rate must be above 0 and finite; got {self.learning_rate:g}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CumulativeRow:
    """What a schedule has reached after one stage.

    Attributes:
        number: of the stage, from 1.
        stage: what it does.
        cumulative: share of the original that is gone after it.
    """

    number: int
    stage: Stage
    cumulative: float


def parse_schedule(text: str) -> tuple[Stage, ...]:
    """Read ``RATIO:EPOCHS:LEARNING_RATE``, one for each stage, separated by commas.

    Args:
        text: such as ``0.3:10:1e-3,20%:15:1e-4``.

    Raises:
        PruningError: a part is no such triple, or a value is out of its range.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise PruningError(f"the schedule '{text}' has no stage; expected one such as {EXAMPLE}")
    return tuple(_stage(part, number) for number, part in enumerate(parts, start=1))


def _stage(text: str, number: int) -> Stage:
    try:
        share, epochs, learning_rate = (word.strip() for word in text.split(":"))
        percent = share.endswith("%")
        ratio = float(share.removesuffix("%")) / (100 if percent else 1)
        values = ratio, int(epochs), float(learning_rate)
    except ValueError as exc:
        raise PruningError(
            f"stage {number} of the schedule is '{text}'; expected RATIO:EPOCHS:LEARNING_RATE, "
            "such as 0.3:10:1e-3"
        ) from exc
    try:
        return Stage(*values)
    except PruningError as exc:
        raise PruningError(f"stage {number} of the schedule, '{text}': {exc}") from exc


def verify_schedule(
    stages: Sequence[Stage | tuple[float, int, float]],
    target: float | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    *,
    start: float = 0.0,
) -> tuple[CumulativeRow, ...]:
    """Say what a schedule reaches, before anything is trained.

    Each ratio is a share of what is left: 30 %, 30 %, 20 % and 20 % reach 30, 51, 60.8 and
    68.64 %, not 100 %.

    Args:
        stages: in order; (ratio, epochs, learning rate) will do.
        target: share of the original that shall be gone after the last stage, in (0, 1); None
            takes what comes.
        tolerance: largest distance between that and what is reached.
        start: share that is gone before the first stage, in [0, 1).

    Returns:
        A row for each stage.

    Raises:
        PruningError: there is no stage, or the last one does not end at ``target``; says what is
            reached and which last ratio would get there.
    """
    if not stages:
        raise PruningError(f"the schedule has no stage; expected one such as {EXAMPLE}")
    if target is not None and not 0 < target < 1:
        raise PruningError(
            f"the target is a share to be gone, above 0 and below 1; got {target:g}; for 68.5 % "
            "write 0.685"
        )
    if not tolerance >= 0:
        raise PruningError(f"the tolerance must be at least 0, got {tolerance:g}")
    if not 0 <= start < 1:
        raise PruningError(f"the share gone at the start must be in [0, 1), got {start:g}")
    rows, left = list[CumulativeRow](), 1 - start
    for number, given in enumerate(stages, start=1):
        stage = given if isinstance(given, Stage) else Stage(*given)
        left *= 1 - stage.ratio
        rows.append(CumulativeRow(number=number, stage=stage, cumulative=1 - left))
    if target is not None and not abs(rows[-1].cumulative - target) <= tolerance:
        raise PruningError(_unreached(rows, target, tolerance, start))
    return tuple(rows)


def _unreached(rows: Sequence[CumulativeRow], target: float, tolerance: float, start: float) -> str:
    reached = ", ".join(f"{row.cumulative:.2%}" for row in rows)
    before = rows[-2].cumulative if len(rows) > 1 else start
    words = (
        f"the schedule ends at {rows[-1].cumulative:.2%}, and {target:.2%} is asked for (within "
        f"{tolerance:.2%}); after its stages {reached} are gone, since each ratio is a share of "
        "what is left"
    )
    needed = 1 - (1 - target) / (1 - before)
    if needed <= 0:
        return f"{words}; {before:.2%} are gone before the last stage already: leave it out"
    return f"{words}; a last ratio of {needed:.4g} would reach it"
