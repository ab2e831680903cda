"""Global allocation: the least important channels go, whichever layer they are in."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.targets.amounts import Amount
from spinn_edge.pruning.targets.limits import Bound
from spinn_edge.pruning.targets.plan import DEFAULT_TOLERANCE
from spinn_edge.pruning.targets.refusals import check_reached, check_share
from spinn_edge.pruning.targets.solving import Widths, meet, refine


def allocate_global(
    scores: Sequence[Sequence[float]],
    amount: Amount,
    original: Sequence[int],
    bounds: Sequence[Bound],
    goal: float,
    *,
    tolerance: float | None = DEFAULT_TOLERANCE,
) -> tuple[int, ...]:
    """Rank the channels of all groups together and remove the lowest until the goal is met.

    Args:
        scores: of the channels that a group has now, one sequence for each group.
        amount: of the quantity.
        original: channels that each group has now: the lengths of ``scores``.
        bounds: of the groups.
        goal: of the quantity that stays, in its own unit: ``(1 - share) * amount.total``.
        tolerance: largest distance from ``goal`` as a share of ``amount.total``; None takes the
            nearest.

    Returns:
        Channels that each group keeps.

    Raises:
        PruningError: the goal cannot be reached, or a score is not finite.
    """
    _check_scores(scores, original)
    slack = DEFAULT_TOLERANCE if tolerance is None else tolerance
    now = [_of_width(bound, width) for bound, width in zip(bounds, original, strict=True)]
    share = 1 - goal / amount.total
    check_share(amount, now, share, slack=slack, exact=tolerance is not None)
    order = _order(scores, now)

    widths = meet(
        amount,
        goal,
        lambda known: _removed(known, now, order, goal),
        lambda known, found: refine(known, found, now, goal, tolerance),
    )
    check_reached(1 - amount.count(widths) / amount.total, widths, share, tolerance)
    return widths


def _of_width(bound: Bound, width: int) -> Bound:
    """Return the bound of a group that has become narrower in earlier rounds."""
    ceiling = min(bound.ceiling, width)
    if ceiling > bound.floor:
        ceiling -= ceiling % bound.step
    return replace(bound, floor=min(bound.floor, width), ceiling=ceiling)


def _order(scores: Sequence[Sequence[float]], bounds: Sequence[Bound]) -> list[int]:
    """Return the groups in the order in which they lose a step."""
    steps = []
    for index, (values, bound) in enumerate(zip(scores, bounds, strict=True)):
        ranked = _in_blocks(_normalised(values), bound.blocks)
        spare = len(values) - bound.ceiling
        for number in range((bound.ceiling - bound.floor) // bound.step):
            begin = spare + number * bound.step
            steps.append((float(ranked[begin : begin + bound.step].mean()), index, number))
    return [index for _, index, _ in sorted(steps)]


def _normalised(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Divide scores by their mean.

    A score sums as many weights as the next layer has outputs, or is a gradient of another size:
    layers as a whole differ for reasons that say nothing of their channels.

    Source: Molchanov et al. (2017), "Pruning convolutional neural networks for resource efficient
    inference", 2.2 (scores are normalised for each layer before they are ranked together).
    """
    scores = np.asarray(values, dtype=np.float64)
    mean = np.abs(scores).mean()
    return np.asarray(scores / mean if mean > 0 else scores)


def _in_blocks(scores: npt.NDArray[np.float64], blocks: int) -> npt.NDArray[np.float64]:
    """Return scores in order of removal: the lowest of every block, the next of every block."""
    return np.sort(scores.reshape(blocks, -1), axis=1).T.reshape(-1)


def _removed(amount: Amount, bounds: Sequence[Bound], order: Sequence[int], goal: float) -> Widths:
    """Return the widths after so many removals that the quantity is nearest to ``goal``."""

    def after(count: int) -> Widths:
        steps = Counter(order[:count])
        return tuple(b.ceiling - steps[group] * b.step for group, b in enumerate(bounds))

    most = bisect_left(range(len(order)), True, key=lambda count: amount(after(count)) <= goal)
    return min(
        (after(count) for count in (max(most - 1, 0), most)),
        key=lambda widths: abs(amount(widths) - goal),
    )


def _check_scores(scores: Sequence[Sequence[float]], original: Sequence[int]) -> None:
    for number, (values, width) in enumerate(zip(scores, original, strict=True), start=1):
        if len(values) != width:
            raise PruningError(
                f"group {number} has {width} channels but {len(values)} scores; expected one each"
            )
        if not np.isfinite(np.asarray(values, dtype=np.float64)).all():
            raise PruningError(
                f"a score of group {number} is not finite; the criterion or the weights are broken"
            )
