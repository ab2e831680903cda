"""What pruning is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from spinn_edge.core.errors import UsageError
from spinn_edge.core.pruning_record import QUANTITIES
from spinn_edge.pruning.criteria.importance import Importance
from spinn_edge.pruning.targets.limits import Limits
from spinn_edge.pruning.targets.plan import DEFAULT_TOLERANCE, equal_shares

ALLOCATIONS = ("uniform", "global", "per-layer")
"""How a cut is shared out among layers: one ratio for all, by scores, or one ratio for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruningRequest:
    """What to remove, in which steps, and by which measure.

    Attributes:
        target: share of the quantity to remove, in (0, 1).
        by: ``parameters``, ``flops`` or ``bytes`` of the whole model; ``latency`` goes with
            ``widths``, which were chosen by measurement.
        rounds: rounds of equal shares of what is left; not used where ``shares`` are given.
        shares: share of the original quantity to be gone after each round, rising; the last one is
            the target.
        allocation: one of ``ALLOCATIONS``; ``per-layer`` takes its ratios from ``limits.keep``.
        importance: key of ``IMPORTANCES``, or a function of (weights by name, group) to scores.
        limits: protected layers, smallest widths, multiples.
        tolerance: largest distance between requested and achieved; None for none.
        widths: of the groups after the last round, where they are known already; the target is
            then what these widths remove.
        seed: of random scores and of the order of data.

    Raises:
        UsageError: an unknown quantity or allocation.
    """

    target: float = 0.685
    by: str = "parameters"
    rounds: int = 3
    shares: tuple[float, ...] = ()
    allocation: str = "uniform"
    importance: str | Importance = "l1-outgoing"
    limits: Limits = field(default_factory=Limits)
    tolerance: float | None = DEFAULT_TOLERANCE
    widths: tuple[int, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _check_name("quantity", self.by, QUANTITIES)
        _check_name("allocation", self.allocation, ALLOCATIONS)

    @property
    def cumulative_shares(self) -> tuple[float, ...]:
        """Share of the original quantity to be gone after each round."""
        return self.shares or equal_shares(self.target, self.rounds)


def _check_name(what: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise UsageError(f"unknown {what} '{given}'; known: {', '.join(known)}")
