"""How wide every group is after each round of a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.graph.groups import ChannelGraph
from spinn_edge.pruning.request import PruningRequest
from spinn_edge.pruning.targets.allocation import allocate_global
from spinn_edge.pruning.targets.amounts import measure_amount
from spinn_edge.pruning.targets.limits import bounds
from spinn_edge.pruning.targets.plan import RoundPlan, equal_shares, plan_rounds


class RoundWidths:
    """Solved before any training; where scores decide, that a target can be reached is."""

    def __init__(
        self,
        module: nn.Module,
        graph: ChannelGraph,
        request: PruningRequest,
        example: tuple[torch.Tensor, ...],
    ) -> None:
        """Solve for the widths of all rounds.

        Args:
            module: the network that was given.
            graph: its groups.
            request: what to remove.
            example: inputs of the network.

        Raises:
            PruningError: the target cannot be reached.
        """
        # a latency was measured beforehand; rounds go by the parameters of the widths it chose
        self.by = "parameters" if request.by == "latency" else request.by
        self._global = request.allocation == "global"
        self._amount = measure_amount(self.by, module, graph, example)
        self._current = tuple(group.channels for group in graph.groups)
        self._bounds = bounds(graph, request.limits)
        shares = request.cumulative_shares
        # multiples, and widths that were measured, are what was asked for rather than a share
        self.tolerance = None if request.limits.round_to > 1 else request.tolerance
        if request.widths is not None:
            self._bounds = tuple(
                replace(bound, floor=width, reason="measured to be fast enough")
                for bound, width in zip(self._bounds, request.widths, strict=True)
            )
            shares = equal_shares(
                1 - self._amount(request.widths) / self._amount.total, len(shares)
            )
            self.tolerance = None
        self._plans = plan_rounds(
            self._amount, self._current, self._bounds, shares=shares, tolerance=self.tolerance
        )

    @property
    def rounds(self) -> int:
        """How many rounds there are."""
        return len(self._plans)

    def share_of(self, number: int) -> float:
        """Return the share to be gone after a round, counted from 1; 0 before the first."""
        return self._plans[number - 1].requested if number else 0.0

    def of_round(
        self, number: int, current: Sequence[int], scores: Sequence[torch.Tensor]
    ) -> RoundPlan:
        """Return the plan of a round, counted from 1.

        Args:
            number: of the round.
            current: channels that each group has before it.
            scores: of those channels, one tensor a group.

        Raises:
            PruningError: nothing would go.
        """
        plan = self._plans[number - 1]
        if not self._global:
            return plan
        limits = tuple(
            replace(bound, ceiling=min(bound.ceiling, width))
            for bound, width in zip(self._bounds, current, strict=True)
        )
        widths = allocate_global(
            [score.tolist() for score in scores],
            self._amount,
            current,
            limits,
            (1 - plan.requested) * self._amount.total,
            tolerance=self.tolerance,
        )
        if widths == tuple(current):
            raise PruningError(
                f"round {number} of {self.rounds} would remove nothing; ask for fewer rounds"
            )
        amount = self._amount.count(widths)
        return replace(plan, widths=widths, achieved=1 - amount / self._amount.total, amount=amount)
