"""What a masked network must hold to be good enough."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Limits.

    Attributes:
        r2_overall: R² over all targets must be above it.
        r2_each: R² of every target must be above it.

    Raises:
        UsageError: a limit is no number of at most 1.
    """

    r2_overall: float = 0.75
    r2_each: float = 0.70

    def __post_init__(self) -> None:
        for name, value in (("--gate-r2", self.r2_overall), ("--gate-each", self.r2_each)):
            if not value < 1:
                raise UsageError(f"{name} {value:g}: R² is at most 1; name a limit below 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateLine:
    """One limit and what was measured.

    Attributes:
        what: in words.
        measured: None where it is not defined, which is no pass.
        limit: it must be above it.
    """

    what: str
    measured: float | None
    limit: float

    @property
    def passed(self) -> bool:
        """NaN and None do not pass."""
        return self.measured is not None and self.measured > self.limit


def judge(scores: Scores, gate: Gate) -> tuple[GateLine, ...]:
    """Set the scores beside their limits, overall first."""
    return (
        GateLine(what="R² overall", measured=scores.r2_overall, limit=gate.r2_overall),
        *(
            GateLine(what=f"R² of {name}", measured=value, limit=gate.r2_each)
            for name, value in scores.r2.items()
        ),
    )
