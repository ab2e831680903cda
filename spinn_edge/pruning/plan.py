"""How many neurons each layer keeps in each round. Arithmetic only: no tensors here."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from spinn_edge.core.errors import PruningError
from spinn_edge.core.words import dashed

DEFAULT_TOLERANCE = 0.003
"""Allowed distance between requested and achieved share: 0.3 percentage points."""

_CLOSE_ENOUGH = 0.0005
"""Share of the parameters within which a goal counts as met: more would only skew the layers."""

_PAIR_REACH = 4
"""Steps that two layers may move against each other where single moves come no nearer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan:
    """Widths after one round.

    Attributes:
        widths: input width, hidden widths, output width.
        requested: share of the original parameters to be gone after this round.
        achieved: share that these widths remove.
    """

    widths: tuple[int, ...]
    requested: float
    achieved: float


def count_parameters(widths: Sequence[int]) -> int:
    """Return weights and biases of an MLP with these widths."""
    return sum((a + 1) * b for a, b in itertools.pairwise(widths))


def plan_rounds(
    widths: Sequence[int],
    *,
    target: float,
    rounds: int,
    round_to: int = 1,
    tolerance: float | None = DEFAULT_TOLERANCE,
) -> tuple[RoundPlan, ...]:
    """Solve for the widths of every round.

    A neuron keep ratio is not a parameter keep ratio, so widths are searched for, near a common
    ratio for all hidden layers, until the whole model (output layer included) has the wanted
    number of parameters. Rounds keep equal shares of what is left: after round r of R a share
    ``(1 - target) ** (r / R)`` of the original parameters stays.

    Args:
        widths: of the model that is given.
        target: share of parameters to remove, in (0, 1).
        rounds: rounds, at least 1.
        round_to: hidden widths become multiples of this (a layer that is narrower stays).
        tolerance: largest distance of the last round from ``target``; not applied when
            ``round_to`` is above 1, where the nearest reachable widths are the goal, nor when None.

    Raises:
        PruningError: the target is outside (0, 1) or cannot be reached, or there are more rounds
            than neurons to remove.
    """
    _check_request(widths, target, rounds, round_to)
    total = count_parameters(widths)
    hidden = (width - width % round_to if width > round_to else width for width in widths[1:-1])
    ceiling = (widths[0], *hidden, widths[-1])
    goal = (1 - target) * total
    final = _refine(_common_ratio(widths, ceiling, goal, round_to), ceiling, goal, round_to)
    plans: list[RoundPlan] = []
    current = tuple(widths)
    for number in range(1, rounds + 1):
        requested = 1 - (1 - target) ** (number / rounds)
        near = _common_ratio(widths, ceiling, (1 - requested) * total, round_to)
        # only the last round has to meet its figure exactly, and no other may go beyond it
        found = final if number == rounds else tuple(map(max, near, final))
        if found == current:
            raise PruningError(
                f"round {number} of {rounds} would remove no neuron from {dashed(current)} "
                f"(a step is {round_to}); ask for fewer rounds or a higher --target"
            )
        achieved = 1 - count_parameters(found) / total
        plans.append(RoundPlan(widths=found, requested=requested, achieved=achieved))
        current = found
    _check_reached(plans[-1], target, round_to, tolerance)
    return tuple(plans)


def _check_request(widths: Sequence[int], target: float, rounds: int, round_to: int) -> None:
    if not 0 < target < 1:
        raise PruningError(
            f"the target is a share of parameters to remove, above 0 and below 1; got {target:g}"
        )
    if round_to < 1:
        raise PruningError(f"--round-to must be at least 1, got {round_to}")
    removable = sum(width - 1 for width in widths[1:-1])
    if rounds < 1 or rounds > removable:
        raise PruningError(
            f"{rounds} rounds asked for; a network {dashed(widths)} allows 1 to {removable}, "
            "one removed neuron a round"
        )
    smallest = [widths[0], *(min(round_to, width) for width in widths[1:-1]), widths[-1]]
    most = 1 - count_parameters(smallest) / count_parameters(widths)
    if target > most + DEFAULT_TOLERANCE:
        raise PruningError(
            f"{target:.1%} of the parameters cannot be removed from {dashed(widths)}: with every "
            f"hidden layer at its smallest ({dashed(smallest)}) {most:.1%} are gone"
        )


def _check_reached(last: RoundPlan, target: float, round_to: int, tolerance: float | None) -> None:
    if round_to > 1 or tolerance is None:
        return
    if abs(last.achieved - target) > tolerance:
        raise PruningError(
            f"widths near a common ratio reach {last.achieved:.2%} ({dashed(last.widths)}), not "
            f"{target:.2%} within {tolerance:.2%}: the network is too small for such steps; "
            f"ask for --target {last.achieved:.4f} or allow a wider --tolerance"
        )


def _common_ratio(
    original: Sequence[int], ceiling: Sequence[int], keep: float, round_to: int
) -> tuple[int, ...]:
    """Return the widths at one ratio for all hidden layers whose count is nearest to ``keep``."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if count_parameters(_scaled(original, ceiling, middle, round_to)) <= keep:
            low = middle
        else:
            high = middle
    found = (_scaled(original, ceiling, ratio, round_to) for ratio in (low, high))
    return min(found, key=lambda widths: abs(count_parameters(widths) - keep))


def _scaled(
    original: Sequence[int], ceiling: Sequence[int], ratio: float, round_to: int
) -> tuple[int, ...]:
    hidden = (
        min(max(round_to * round(width * ratio / round_to), round_to), limit)
        for width, limit in zip(original[1:-1], ceiling[1:-1], strict=True)
    )
    return (original[0], *hidden, original[-1])


def _refine(
    widths: tuple[int, ...], ceiling: Sequence[int], keep: float, round_to: int
) -> tuple[int, ...]:
    """Move one layer, or two against each other, until ``keep`` is met or nothing comes nearer."""

    def distance(candidate: tuple[int, ...]) -> float:
        return abs(count_parameters(candidate) - keep)

    close = _CLOSE_ENOUGH * count_parameters(ceiling)
    while distance(widths) > close:
        singles = _moves(widths, ceiling, round_to, reach=1)
        best = min(singles, key=distance, default=widths)
        if distance(best) >= distance(widths) and round_to == 1:  # coarse pairs skew the layers
            near = _moves(widths, ceiling, round_to, reach=_PAIR_REACH)
            pairs = (far for one in near for far in _moves(one, ceiling, round_to, _PAIR_REACH))
            best = min(pairs, key=distance, default=widths)
        if distance(best) >= distance(widths):
            break
        widths = best
    return widths


def _moves(
    widths: tuple[int, ...], ceiling: Sequence[int], round_to: int, reach: int
) -> list[tuple[int, ...]]:
    """Return the widths with one hidden layer changed by up to ``reach`` steps."""
    steps = [step * round_to for step in range(-reach, reach + 1) if step]
    return [
        (*widths[:index], widths[index] + step, *widths[index + 1 :])
        for index in range(1, len(widths) - 1)
        for step in steps
        if round_to <= widths[index] + step <= ceiling[index]
    ]
