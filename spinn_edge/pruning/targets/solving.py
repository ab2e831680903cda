"""Widths that bring a quantity to a goal: a common ratio first, then small moves of layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from spinn_edge.pruning.targets.amounts import Amount, Candidates
from spinn_edge.pruning.targets.limits import Bound

Widths = tuple[int, ...]
_Integers = npt.NDArray[np.int64]

CLOSE_ENOUGH = 0.0005
"""Share of the whole within which a goal counts as met: more would only skew the layers."""

_PAIR_REACH = 4
"""Steps that two layers may move against each other where single moves come no nearer."""

_FAR_REACHES = (4, 12, 32)
"""The same where the tolerance is not met otherwise, coarse steps included."""

_ALL_PAIRS = 20_000
"""Pairs of moves that are all counted; of more, only those whose sum promises most."""

_BEST_PAIRS = 512

_ALL_WIDTHS = 50_000
"""So many choices of widths are all tried before a target is refused."""

_SEARCHES = 8
"""Most searches where the quantity is not known from the widths exactly."""


def solve(
    amount: Amount,
    original: Sequence[int],
    bounds: Sequence[Bound],
    goal: float,
    tolerance: float | None,
) -> Widths:
    """Return widths near a common ratio of ``original`` whose quantity is nearest to a goal.

    Args:
        amount: of the quantity.
        original: channels of each group before.
        bounds: of each group.
        goal: of the quantity that stays, in its own unit.
        tolerance: share of the whole within which the goal must be met, for which layers may part
            further from the common ratio; None takes the nearest near it.
    """
    return meet(
        amount,
        goal,
        lambda known: common_ratio(known, original, bounds, goal),
        lambda known, widths: refine(known, widths, bounds, goal, tolerance),
    )


def meet(
    amount: Amount,
    goal: float,
    rough: Callable[[Amount], Widths],
    finish: Callable[[Amount, Widths], Widths],
) -> Widths:
    """Search for widths that meet a goal when the network is truly cut to them and counted.

    Where the terms of a quantity are exact, this is one search. Else what was counted at and around
    the widths that were found goes into the next search, as in Newton's method.

    Args:
        amount: of the quantity.
        goal: of the quantity that stays.
        rough: finds widths by what is known of the quantity.
        finish: improves widths by small moves.
    """
    known, widths = amount, rough(amount)
    if amount.near is None:
        return finish(known, widths)
    close, tried = CLOSE_ENOUGH * amount.total, {widths}
    while len(tried) < _SEARCHES and abs(amount.count(widths) - known(widths)) > close:
        known = amount.near(widths)
        widths = rough(known)
        if widths in tried:
            break
        tried.add(widths)
    seen = dict[Widths, float]()
    while len(seen) < _SEARCHES:
        widths = finish(known, widths)
        if widths in seen:
            break
        seen[widths] = amount.count(widths)
        if abs(seen[widths] - goal) <= close or seen[widths] == known(widths):
            break
        known = amount.near(widths)
    return min(seen, key=lambda found: abs(seen[found] - goal))


def common_ratio(
    amount: Amount, original: Sequence[int], bounds: Sequence[Bound], goal: float
) -> Widths:
    """Return the widths at one ratio for all groups whose quantity is nearest to ``goal``."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if amount(_scaled(original, bounds, middle)) <= goal:
            low = middle
        else:
            high = middle
    found = (_scaled(original, bounds, ratio) for ratio in (low, high))
    return min(found, key=lambda widths: abs(amount(widths) - goal))


def _scaled(original: Sequence[int], bounds: Sequence[Bound], ratio: float) -> Widths:
    return tuple(
        min(max(bound.step * round(width * ratio / bound.step), bound.floor), bound.ceiling)
        for width, bound in zip(original, bounds, strict=True)
    )


def refine(
    amount: Amount,
    widths: Widths,
    bounds: Sequence[Bound],
    goal: float,
    tolerance: float | None,
) -> Widths:
    """Move one layer, or two against each other, until ``goal`` is met or nothing comes nearer.

    Args:
        amount: of the quantity.
        widths: to begin with, within ``bounds``.
        bounds: of each group.
        goal: of the quantity that stays.
        tolerance: as for :func:`solve`.
    """
    search = _Search(amount, bounds, goal)
    fine = [bound.step == 1 for bound in bounds]  # coarse pairs skew the layers
    widths = search.improve(widths, fine)
    if tolerance is None:
        return widths
    for reach in _FAR_REACHES:
        if search.distance([widths])[0] <= tolerance * amount.total:
            break
        widths = search.nearest_pair(widths, reach, tolerance * amount.total)
    if search.distance([widths])[0] > tolerance * amount.total:
        widths = search.nearest_of_all(widths, tolerance * amount.total)
    return widths


class _Search:
    """Moves that bring widths nearer to a goal."""

    def __init__(self, amount: Amount, bounds: Sequence[Bound], goal: float) -> None:
        self._amount = amount
        self._goal = goal
        self._close = CLOSE_ENOUGH * amount.total
        self._steps = np.array([bound.step for bound in bounds], dtype=np.int64)
        self._floor = np.array([bound.floor for bound in bounds], dtype=np.int64)
        self._ceiling = np.array([bound.ceiling for bound in bounds], dtype=np.int64)

    def distance(self, candidates: Candidates) -> npt.NDArray[np.float64]:
        return np.abs(self._amount.each(candidates) - self._goal)

    def improve(self, widths: Widths, pairs: Sequence[bool]) -> Widths:
        """Move single groups by a step, and pairs of those marked, as long as it helps."""
        now = np.array(widths, dtype=np.int64)
        distance = self.distance([now])[0]
        while distance > self._close:
            found = self._best(now, self._moves(1, [True] * len(now)))
            if found is None or found[1] >= distance:
                found = self._best(now, self._pairs(now, _PAIR_REACH, pairs))
            if found is None or found[1] >= distance:
                break
            now, distance = found
        return _as_widths(now)

    def nearest_pair(self, widths: Widths, reach: int, enough: float) -> Widths:
        """Return the least move of two groups that comes within ``enough``, or the best one."""
        now = np.array(widths, dtype=np.int64)
        moves = self._pairs(now, reach, [True] * len(now))
        return self._least_move(now, self._allowed(now + moves), enough)

    def nearest_of_all(self, widths: Widths, enough: float) -> Widths:
        """Return the same of all widths there are, if they are not too many to try."""
        choices = (self._ceiling - self._floor) // self._steps + 1
        if math.prod(choices.tolist()) > _ALL_WIDTHS:
            return widths
        steps = np.indices(choices.tolist()).reshape(len(choices), -1).T.astype(np.int64)
        now = np.array(widths, dtype=np.int64)
        return self._least_move(now, self._floor + steps * self._steps, enough)

    def _least_move(self, now: _Integers, candidates: _Integers, enough: float) -> Widths:
        distances = self.distance(candidates)
        if not len(candidates) or distances.min() >= self.distance([now])[0]:
            return _as_widths(now)
        if distances.min() > enough:
            return _as_widths(candidates[int(np.argmin(distances))])
        near = candidates[distances <= enough]
        skew = (np.abs(near - now) / self._ceiling).max(axis=1)
        return _as_widths(near[int(np.argmin(skew))])

    def _best(self, now: _Integers, moves: _Integers) -> tuple[_Integers, float] | None:
        """Return the nearest of the allowed moves and its distance."""
        candidates = self._allowed(now + moves)
        if not len(candidates):
            return None
        distances = self.distance(candidates)
        best = int(np.argmin(distances))
        return candidates[best], float(distances[best])

    def _allowed(self, candidates: _Integers) -> _Integers:
        inside = (candidates >= self._floor) & (candidates <= self._ceiling)
        return np.asarray(candidates[inside.all(axis=1)])

    def _moves(self, reach: int, marked: Sequence[bool]) -> _Integers:
        """Return changes of one marked group by up to ``reach`` steps, shape (moves, groups)."""
        groups = [g for g, free in enumerate(marked) if free and self._floor[g] < self._ceiling[g]]
        steps = [step for step in range(-reach, reach + 1) if step]
        moves = np.zeros((len(groups), len(steps), len(marked)), dtype=np.int64)
        for row, group in enumerate(groups):
            moves[row, :, group] = np.array(steps) * self._steps[group]
        return moves.reshape(-1, len(marked))

    def _pairs(self, now: _Integers, reach: int, marked: Sequence[bool]) -> _Integers:
        """Return changes of two groups, or of one by a few steps."""
        moves = self._moves(reach, marked)
        moves = self._allowed(now + moves) - now
        if len(moves) ** 2 <= _ALL_PAIRS:
            first, second = np.triu_indices(len(moves), k=1)
        else:
            first, second = self._promising(now, moves)
        return np.concatenate([moves, moves[first] + moves[second]])

    def _promising(self, now: _Integers, moves: _Integers) -> tuple[_Integers, _Integers]:
        """Return pairs whose two changes, added, come nearest to the goal."""
        here = float(self._amount.each([now])[0])
        changes = self._amount.each(now + moves) - here
        order = np.argsort(changes, kind="stable")
        wanted = self._goal - here - changes
        place = np.searchsorted(changes[order], wanted)
        first = np.repeat(np.arange(len(moves)), 4)
        near = (place[:, None] + np.arange(-2, 2)).clip(0, len(moves) - 1)
        second = order[near.reshape(-1)]
        misses = np.abs(changes[first] + changes[second] - (self._goal - here))
        best = np.argsort(misses, kind="stable")[:_BEST_PAIRS]
        return first[best], second[best]


def _as_widths(values: _Integers) -> Widths:
    return tuple(values.tolist())


def steps_between(bounds: Sequence[Bound]) -> int:
    """Return how many steps of removal these bounds allow altogether."""
    return sum(math.ceil((bound.ceiling - bound.floor) / bound.step) for bound in bounds)
