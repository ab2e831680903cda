"""Widths of an MLP of which nothing but its widths is known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from spinn_edge.core.pruning_record import Cut
from spinn_edge.pruning.graph.groups import ChannelGraph, Group
from spinn_edge.pruning.targets.amounts import Term, amount_of
from spinn_edge.pruning.targets.limits import Limits, bounds
from spinn_edge.pruning.targets.plan import DEFAULT_TOLERANCE, RoundPlan, equal_shares, plan_rounds


def count_parameters(widths: Sequence[int]) -> int:
    """Return weights and biases of an MLP with these widths."""
    return sum((a + 1) * b for a, b in itertools.pairwise(widths))


def plan_mlp(
    widths: Sequence[int],
    *,
    target: float,
    rounds: int,
    round_to: int = 1,
    tolerance: float | None = DEFAULT_TOLERANCE,
) -> tuple[RoundPlan, ...]:
    """Solve for the widths of every round, by parameters.

    Args:
        widths: input width, hidden widths, output width.
        target: share of parameters to remove, in (0, 1).
        rounds: rounds of equal shares of what is left.
        round_to: hidden widths become multiples of this (a layer that is narrower stays).
        tolerance: as for :func:`spinn_edge.pruning.targets.plan.plan_rounds`; not applied when
            ``round_to`` is above 1, where the nearest reachable widths are the goal.

    Returns:
        The rounds, with input and output width among the widths.

    Raises:
        PruningError: the target cannot be reached, or there are more rounds than neurons.
    """
    layers = list(enumerate(itertools.pairwise(widths), start=1))
    terms = [
        term
        for number, (taken, made) in layers
        for term in (
            Term(tensor=f"layer {number}.weight", shape=(made, taken), scale=1),
            Term(tensor=f"layer {number}.bias", shape=(made,), scale=1),
        )
    ]
    groups = tuple(_group(number, made) for number, (_, made) in layers[:-1])
    graph = ChannelGraph(groups=groups)
    plans = plan_rounds(
        amount_of("parameters", terms, graph),
        widths[1:-1],
        bounds(graph, Limits(round_to=round_to)),
        shares=equal_shares(target, rounds),
        tolerance=tolerance if round_to == 1 else None,
    )
    return tuple(replace(plan, widths=(widths[0], *plan.widths, widths[-1])) for plan in plans)


def _group(number: int, channels: int) -> Group:
    cuts = (
        Cut(tensor=f"layer {number}.weight", dim=0, role="output"),
        Cut(tensor=f"layer {number}.bias", dim=0, role="output"),
        Cut(tensor=f"layer {number + 1}.weight", dim=1, role="input"),
    )
    return Group(name=f"layer {number}", channels=channels, cuts=cuts)
