"""What ``spinn-edge prune`` shows in the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spinn_edge.cli.gate_options import raise_for_gate
from spinn_edge.core.errors import PruningError

if TYPE_CHECKING:
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.pruning_physics import PhysicsChecks
    from spinn_edge.cli.pruning_run import Order
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.core.manifest import Scores
    from spinn_edge.core.pruning_record import PruningAudit
    from spinn_edge.pruning.gate import GateResult


def show_audit(audit: PruningAudit, printer: Printer) -> None:
    """Show what was asked for and what was done, and what was left alone."""
    from spinn_edge.report.pruning import audit_table, left_alone_sheet, widths_sheet

    printer.show(audit_table(audit), widths_sheet(audit).to_rich())
    if (left := left_alone_sheet(audit.left_alone)) is not None:
        printer.show(left.to_rich())
    if audit.round_to > 1:
        printer.show(
            f"{audit.achieved:.2%} is the nearest to {audit.requested:.2%} that widths in "
            f"multiples of {audit.round_to} near a common ratio reach"
        )


def show_scores(order: Order, bundle: Bundle, before: Scores, printer: Printer) -> GateResult:
    """Show the scores before and after, and the gate's verdict."""
    from spinn_edge.pruning.gate import judge
    from spinn_edge.report.console import scores_table
    from spinn_edge.report.remarks import score_remarks

    training, audit = bundle.manifest.training, bundle.manifest.pruning
    assert training is not None
    assert audit is not None
    printer.show(scores_table(before, "Before pruning"))
    printer.show(
        scores_table(training.scores, "After pruning"),
        *score_remarks(training.scores, bundle.name),
    )
    verdict = judge(
        order.gate, before, training.scores, audit, _speedup(audit), finetune_epochs=order.epochs
    )
    return _shown(verdict, printer)


def show_unscored(order: Order, audit: PruningAudit, printer: Printer) -> GateResult:
    """Show the gate's verdict on a network without scores; R² counts only if it was asked for."""
    from spinn_edge.pruning.gate import PruningGate, judge

    usual = PruningGate()
    gate = order.gate
    if (gate.min_r2, gate.min_r2_each) == (usual.min_r2, usual.min_r2_each):
        gate = replace(gate, min_r2=None, min_r2_each=None)
    return _shown(judge(gate, None, None, audit, _speedup(audit)), printer)


def _speedup(audit: PruningAudit) -> float | None:
    return None if audit.latency is None else audit.latency.speedup


def _shown(verdict: GateResult, printer: Printer) -> GateResult:
    from spinn_edge.report.pruning import gate_remarks, gate_sheet

    printer.show(gate_sheet(verdict).to_rich(), *gate_remarks(verdict))
    return verdict


def raise_for_verdict(
    order: Order,
    audit: PruningAudit,
    verdict: GateResult,
    checks: PhysicsChecks | None = None,
) -> None:
    """Leave with the exit code of a failure where something was asked for and missed.

    Raises:
        PruningError: the network does not hold what was asked; it is written all the same.
    """
    if audit.latency is not None and audit.latency.reached is False:
        raise PruningError(
            "the network is written, but it missed the latency; measure again with more "
            "--launches, or ask for a lower --latency-us"
        )
    if order.gate_asked:
        raise_for_gate(verdict)
    if checks is not None and not checks.passed:
        raise PruningError(
            "the network is written, but its physics is worse than was allowed; see the last "
            "round's check above: raise --physics-weight, or remove less"
        )
