"""Rounds of pruning and fine-tuning, with the audit of what they did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import LayerAudit, PruningAudit, RoundAudit
from spinn_edge.pruning.chain import find_chain, prove_exact, shrink, widths_of
from spinn_edge.pruning.importance import IMPORTANCES, keep_top
from spinn_edge.pruning.plan import DEFAULT_TOLERANCE, RoundPlan, count_parameters, plan_rounds
from spinn_edge.training.fitting import Fit

M = TypeVar("M", bound=nn.Module)
Tune = Callable[[nn.Module, int], Fit]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunedModel(Generic[M]):
    """A smaller network and the audit of how it became so.

    Attributes:
        module: the network, in evaluation mode.
        audit: requested and achieved.
        fits: history of each round's fine-tuning.
        interrupted: the user stopped it; rounds may be missing.
    """

    module: M
    audit: PruningAudit
    fits: tuple[Fit, ...]
    interrupted: bool


def prune_in_rounds(
    module: M,
    *,
    tune: Tune,
    target: float = 0.685,
    rounds: int = 3,
    round_to: int = 1,
    tolerance: float | None = DEFAULT_TOLERANCE,
    importance: str = "l1-outgoing",
    on_round: Callable[[int, RoundPlan], None] = lambda number, plan: None,
) -> PrunedModel[M]:
    """Remove a share of the parameters of a plain MLP, in rounds.

    Args:
        module: not changed. Any module whose parameters all belong to one chain of Linear layers.
        tune: fine-tunes the network it is given, in place, given the round's number from 1.
        target: share of the whole model's parameters to remove, in (0, 1).
        rounds: rounds; the schedule is that of :func:`spinn_edge.pruning.plan.plan_rounds`.
        round_to: hidden widths become multiples of this.
        tolerance: largest distance between requested and achieved.
        importance: key of ``IMPORTANCES``.
        on_round: called before each round.

    Raises:
        PruningError: the target cannot be reached, the network is no plain MLP, or the audit found
            another share removed than was planned.
    """
    if importance not in IMPORTANCES:
        raise PruningError(f"unknown importance '{importance}'; known: {', '.join(IMPORTANCES)}")
    chain = find_chain(module)
    names = [name for name, _ in chain]
    before = widths_of(chain)
    plans = plan_rounds(
        before, target=target, rounds=rounds, round_to=round_to, tolerance=tolerance
    )
    total = count(module)
    if total != count_parameters(before):
        raise PruningError(
            f"the network has {total} parameters, but Linear layers of widths "
            f"{'-'.join(map(str, before))} with a bias each have {count_parameters(before)}: "
            "only plain MLPs can be pruned so far"
        )
    small, fits, audits = module, list[Fit](), list[RoundAudit]()
    for number, plan in enumerate(plans, start=1):
        on_round(number, plan)
        small = remove_neurons(small, plan.widths, importance)
        result = tune(small, number)
        fits.append(result)
        achieved = 1 - count(small) / total
        audits.append(
            RoundAudit(
                widths=plan.widths,
                parameters=count(small),
                requested=plan.requested,
                achieved=achieved,
                score=result.best.validation_loss if result.best else None,
            )
        )
        if result.interrupted:
            break
    interrupted = fits[-1].interrupted
    audit = PruningAudit(
        requested=target,
        achieved=1 - count(small) / total,
        tolerance=tolerance if round_to == 1 else None,
        round_to=round_to,
        importance=importance,
        parameters_before=total,
        parameters_after=count(small),
        layers=tuple(
            LayerAudit(name=name, before=was, after=now)
            for name, was, now in zip(
                names[:-1], before[1:-1], widths_of(find_chain(small))[1:-1], strict=True
            )
        ),
        rounds=tuple(audits),
    )
    if not interrupted:
        _check_audit(audit, plans[-1])
    return PrunedModel(module=small.eval(), audit=audit, fits=tuple(fits), interrupted=interrupted)


def remove_neurons(module: M, widths: tuple[int, ...], importance: str = "l1-outgoing") -> M:
    """Return a copy of ``module`` with these widths, keeping the neurons that matter most.

    Raises:
        PruningError: the network is no plain MLP; proven by running it.
    """
    layers = [layer for _, layer in find_chain(module)]
    kept = [
        keep_top(IMPORTANCES[importance](layer, following).cpu(), width)
        for layer, following, width in zip(layers, layers[1:], widths[1:-1], strict=False)
    ]
    small = shrink(module, kept)
    prove_exact(module, small, kept)
    return small


def count(module: nn.Module) -> int:
    """Return the number of parameters of the whole module."""
    return sum(parameter.numel() for parameter in module.parameters())


def _check_audit(audit: PruningAudit, plan: RoundPlan) -> None:
    """Compare what was counted on the real module with what was asked for and planned."""
    if abs(audit.achieved - plan.achieved) > 1e-9 or (
        audit.tolerance is not None and abs(audit.achieved - audit.requested) > audit.tolerance
    ):
        raise PruningError(
            f"audit failed: {audit.requested:.2%} of the parameters were to go, the plan said "
            f"{plan.achieved:.2%}, and {audit.achieved:.2%} are gone"
        )
