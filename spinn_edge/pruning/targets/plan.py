"""How many channels each group keeps in each round. Arithmetic only: no tensors here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.targets.amounts import Amount
from spinn_edge.pruning.targets.limits import Bound
from spinn_edge.pruning.targets.refusals import check_reached, check_request, widths_in_words
from spinn_edge.pruning.targets.solving import common_ratio, meet, solve

DEFAULT_TOLERANCE = 0.003
"""Allowed distance between requested and achieved share: 0.3 percentage points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """Widths after one round.

    Attributes:
        widths: channels of each group, in order.
        requested: share of the original quantity to be gone after this round.
        achieved: share that these widths remove, counted.
        amount: of the quantity that stays, in its own unit.
    """

    widths: tuple[int, ...]
    requested: float
    achieved: float
    amount: float


def equal_shares(target: float, rounds: int) -> tuple[float, ...]:
    """Return what shall be gone after each round when rounds keep equal shares of what is left.

    After round r of R a share ``(1 - target) ** (r / R)`` of the original stays.

    Args:
        target: share to be gone after the last round, in (0, 1).
        rounds: at least 1.

    Raises:
        PruningError: the target is no such share, or there is no round.
    """
    if not 0 < target < 1:
        raise PruningError(
            f"the target is a share to remove, above 0 and below 1; got {target:g}; "
            "for 68.5 % write 0.685"
        )
    if rounds < 1:
        raise PruningError(f"{rounds} rounds asked for; expected at least 1")
    earlier = (1 - (1 - target) ** (number / rounds) for number in range(1, rounds))
    return (*earlier, target)


def plan_rounds(
    amount: Amount,
    original: Sequence[int],
    bounds: Sequence[Bound],
    *,
    shares: Sequence[float],
    tolerance: float | None = DEFAULT_TOLERANCE,
) -> tuple[RoundPlan, ...]:
    """Solve for the widths of every round.

    A share of the channels is not a share of the parameters, so widths are searched for, near a
    common ratio for all groups, until the whole model (output layer included) has the wanted
    amount. Groups whose width is settled (protected, or with a ratio of their own) get there in
    the same rounds as the others.

    Args:
        amount: the quantity of the whole model by widths.
        original: channels of each group.
        bounds: of each group.
        shares: share of the original quantity to be gone after each round, rising.
        tolerance: largest distance of the last round from its share; None takes the nearest
            widths near a common ratio.

    Raises:
        PruningError: a share is outside (0, 1), they do not rise, the last one cannot be reached,
            or there are more rounds than steps of removal.
    """
    slack = DEFAULT_TOLERANCE if tolerance is None else tolerance
    check_request(amount, original, bounds, shares, slack=slack, exact=tolerance is not None)
    final = solve(amount, original, bounds, (1 - shares[-1]) * amount.total, tolerance)
    # only the last round has to meet its figure exactly, and no other may go beyond it
    before = [
        replace(bound, floor=width, ceiling=max(_widest(bound, channels), width))
        for bound, width, channels in zip(bounds, final, original, strict=True)
    ]
    plans: list[RoundPlan] = []
    current = tuple(original)
    for number, requested in enumerate(shares, start=1):
        goal = (1 - requested) * amount.total
        found = final if number == len(shares) else _earlier(amount, original, before, goal)
        if found == current:
            raise PruningError(
                f"round {number} of {len(shares)} would remove no channel from widths "
                f"{widths_in_words(current)} (a step is {min(b.step for b in bounds)}); ask for "
                "fewer rounds or a higher --target"
            )
        stays = amount.count(found)
        plans.append(
            RoundPlan(
                widths=found,
                requested=requested,
                achieved=1 - stays / amount.total,
                amount=stays,
            )
        )
        current = found
    check_reached(plans[-1].achieved, plans[-1].widths, shares[-1], tolerance)
    return tuple(plans)


def _earlier(
    amount: Amount, original: Sequence[int], bounds: Sequence[Bound], goal: float
) -> tuple[int, ...]:
    """Return widths at a common ratio, of which nobody asks that they meet the goal exactly."""
    return meet(
        amount,
        goal,
        lambda known: common_ratio(known, original, bounds, goal),
        lambda known, widths: widths,
    )


def _widest(bound: Bound, channels: int) -> int:
    """Return the widest multiple of the bound's step, or the width itself where it is settled."""
    if bound.ceiling == channels:
        return channels
    return channels - channels % bound.step
