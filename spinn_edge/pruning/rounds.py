"""Rounds of pruning and fine-tuning of any network, with the audit of what they did."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import GroupPlan, LayerAudit, PruningAudit, RoundAudit
from spinn_edge.models.cutting import cut
from spinn_edge.pruning.criteria.importance import importance_name, score_groups
from spinn_edge.pruning.criteria.selection import keep_top
from spinn_edge.pruning.graph.chain import find_chain, widths_of
from spinn_edge.pruning.graph.exactness import prove_exact
from spinn_edge.pruning.graph.find import find_groups
from spinn_edge.pruning.graph.groups import ChannelGraph, compose, shrink_graph
from spinn_edge.pruning.request import PruningRequest
from spinn_edge.pruning.targets.amounts import count_amount
from spinn_edge.pruning.targets.plan import RoundPlan
from spinn_edge.pruning.targets.round_widths import RoundWidths
from spinn_edge.training.fitting import Batches, Fit, Loss

M = TypeVar("M", bound=nn.Module)
Tune = Callable[[nn.Module, int], Fit]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundState(Generic[M]):
    """A network after a round.

    Attributes:
        number: of the round; 0 is the network that was given.
        module: the network.
        plan: what was cut from the network that was given, one entry a group.
        audits: of the rounds so far.
        fits: history of each round's fine-tuning.
        exactness: of the last cut, before fine-tuning; see
            :func:`spinn_edge.pruning.graph.exactness.prove_exact`.
        interrupted: the user stopped the round's fine-tuning.
    """

    number: int
    module: M
    plan: tuple[GroupPlan, ...]
    audits: tuple[RoundAudit, ...] = ()
    fits: tuple[Fit, ...] = ()
    exactness: float | None = None
    interrupted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedModel(Generic[M]):
    """A smaller network and the audit of how it became so.

    Attributes:
        module: the network, in evaluation mode.
        audit: requested and achieved, and the plan that can be replayed.
        fits: history of each round's fine-tuning.
        interrupted: the user stopped it; rounds may be missing.
    """

    module: M
    audit: PruningAudit
    fits: tuple[Fit, ...]
    interrupted: bool


def leave_untuned(network: nn.Module, number: int) -> Fit:
    """Change nothing: pruning without fine-tuning."""
    return Fit(history=(), interrupted=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEvents(Generic[M]):
    """Who hears of rounds.

    Attributes:
        on_round: called before each round with its number and plan.
        after_round: called with the network that was given as round 0, and after each round that
            was not interrupted: to save it, to check its physics. What it raises ends the run.
    """

    on_round: Callable[[int, RoundPlan], None] = lambda number, plan: None
    after_round: Callable[[RoundState[M]], None] = lambda state: None


def prune_in_rounds(
    module: M,
    request: PruningRequest | None = None,
    *,
    tune: Tune = leave_untuned,
    example: tuple[torch.Tensor, ...] = (),
    batches: Batches | None = None,
    loss: Loss | None = None,
    events: RoundEvents[M] | None = None,
    begin: RoundState[M] | None = None,
    last: int | None = None,
) -> PrunedModel[M]:
    """Remove a share of a network, in rounds, and count what is gone.

    Args:
        module: not changed. A plain MLP, or any network that the dependency graph can follow.
        request: what to remove.
        tune: fine-tunes the network it is given, in place, given the round's number from 1.
        example: inputs of the network, shape (batch, ...) each; not needed for a plain MLP.
        batches: (x, y) for an importance that needs data.
        loss: of (prediction, y), for an importance that needs gradients.
        events: hears of rounds.
        begin: a round that an earlier run ended with; its rounds are not run again.
        last: round to end with, its share being what was asked for; None runs all.

    Raises:
        PruningError: the target cannot be reached, the network cannot be followed, a smaller
            network differs from the masked one, or the audit found another share removed than was
            asked for.
    """
    request, events = request or PruningRequest(), events or RoundEvents()
    run = _Run(module, request, example or _example_of(module), tuned=tune is not leave_untuned)
    state = begin or run.begin()
    if begin is None:
        events.after_round(state)
    rounds = run.widths.rounds if last is None else last
    while state.number < rounds and not state.interrupted:
        start_s = time.monotonic()
        current = shrink_graph(run.graph, state.plan)
        scores = score_groups(
            state.module,
            current,
            request.importance,
            batches=batches,
            loss=loss,
            seed=request.seed + state.number + 1,
        )
        plan = run.widths.of_round(state.number + 1, [len(p.kept) for p in state.plan], scores)
        events.on_round(state.number + 1, plan)
        state = run.remove(state, current, plan, scores)
        fit = tune(state.module, state.number)
        state = run.record(state, plan, fit, start_s)
        if not state.interrupted:
            events.after_round(state)
    audit = run.audit(state, rounds)
    if not state.interrupted:
        _check_audit(audit)
    return PrunedModel(
        module=state.module.eval(),
        audit=audit,
        fits=state.fits,
        interrupted=state.interrupted,
    )


class _Run(Generic[M]):
    """What stays the same over the rounds of one request."""

    def __init__(
        self,
        module: M,
        request: PruningRequest,
        example: tuple[torch.Tensor, ...],
        *,
        tuned: bool,
    ) -> None:
        self._given, self._request, self._example = module, request, example
        self._tuned = tuned
        self.graph = find_groups(module, example)
        self.widths = RoundWidths(module, self.graph, request, example)
        self._total = self._count(module)

    def begin(self) -> RoundState[M]:
        """Return the network that was given, nothing cut."""
        whole = tuple(group.plan(range(group.channels)) for group in self.graph.groups)
        return RoundState(number=0, module=self._given, plan=whole)

    def remove(
        self,
        state: RoundState[M],
        current: ChannelGraph,
        plan: RoundPlan,
        scores: Sequence[torch.Tensor],
    ) -> RoundState[M]:
        """Cut the channels that matter least, and prove it."""
        step = tuple(
            group.plan(keep_top(score, width, group.blocks).tolist())
            for group, score, width in zip(current.groups, scores, plan.widths, strict=True)
        )
        plan_so_far = compose(state.plan, step)
        # weights that nobody changed are cut from the given ones, as whoever replays the plan does
        small = cut(state.module, step) if self._tuned else cut(self._given, plan_so_far)
        return replace(
            state,
            number=state.number + 1,
            module=small,
            plan=plan_so_far,
            exactness=prove_exact(state.module, small, step, self._example),
        )

    def record(
        self, state: RoundState[M], plan: RoundPlan, fit: Fit, start_s: float
    ) -> RoundState[M]:
        """Add a round's audit and history."""
        audit = RoundAudit(
            widths=_shown_widths(state.module, plan),
            parameters=count(state.module),
            requested=plan.requested,
            achieved=1 - self._count(state.module) / self._total,
            planned=plan.achieved,
            score=fit.best.validation_loss if fit.best else None,
            exactness=state.exactness,
            duration_s=time.monotonic() - start_s,
        )
        return replace(
            state,
            audits=(*state.audits, audit),
            fits=(*state.fits, fit),
            interrupted=fit.interrupted,
        )

    def audit(self, state: RoundState[M], last: int) -> PruningAudit:
        """Count the network that came out; only the last round's share is held to the tolerance."""
        left = self._count(state.module)
        return PruningAudit(
            requested=self.widths.share_of(last),
            achieved=1 - left / self._total,
            tolerance=self.widths.tolerance if last == self.widths.rounds else None,
            round_to=self._request.limits.round_to,
            importance=importance_name(self._request.importance),
            parameters_before=count(self._given),
            parameters_after=count(state.module),
            layers=tuple(
                LayerAudit(name=plan.name, before=plan.channels, after=len(plan.kept))
                for plan in state.plan
            ),
            rounds=state.audits,
            by=self.widths.by,
            allocation=self._request.allocation,
            amount_before=self._total,
            amount_after=left,
            plan=state.plan,
            left_alone=self.graph.left_alone,
        )

    def _count(self, module: nn.Module) -> float:
        return count_amount(self.widths.by, module, self._example)


def count(module: nn.Module) -> int:
    """Return the number of parameters of the whole module."""
    return sum(parameter.numel() for parameter in module.parameters())


def _check_audit(audit: PruningAudit) -> None:
    """Compare what was counted on the real module with what was asked for and planned."""
    planned = audit.rounds[-1].planned if audit.rounds else None
    if (planned is not None and abs(audit.achieved - planned) > 1e-9) or (
        audit.tolerance is not None and abs(audit.achieved - audit.requested) > audit.tolerance
    ):
        raise PruningError(
            f"audit failed: {audit.requested:.2%} of the {audit.by} were to go, the plan said "
            f"{planned or 0:.2%}, and {audit.achieved:.2%} are gone"
        )


def _example_of(module: nn.Module) -> tuple[torch.Tensor, ...]:
    try:
        first = find_chain(module)[0][1]
    except PruningError as exc:
        raise PruningError(f"{exc}; for any other network give example inputs") from exc
    return (torch.zeros(2, first.in_features, device=first.weight.device),)


def _shown_widths(module: nn.Module, plan: RoundPlan) -> tuple[int, ...]:
    try:
        return widths_of(find_chain(module))
    except PruningError:
        return plan.widths
