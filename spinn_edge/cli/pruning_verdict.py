"""What ``spinn-edge prune`` shows in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinn_edge.cli.gate_options import raise_for_gate
from spinn_edge.core.errors import PruningError

if TYPE_CHECKING:
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.pruning_order import Order
    from spinn_edge.cli.pruning_physics import PhysicsChecks
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.core.manifest import Scores
    from spinn_edge.core.pruning_record import PruningAudit
    from spinn_edge.pruning.gates.gate import GateResult, PruningGate


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
    """Show the scores before and after, and a verdict on them; return that on what was typed."""
    from spinn_edge.cli.gate_options import with_usual
    from spinn_edge.report.console import scores_table
    from spinn_edge.report.pruning import gate_remarks, gate_sheet
    from spinn_edge.report.remarks import score_remarks

    training, audit = bundle.manifest.training, bundle.manifest.pruning
    assert training is not None
    assert audit is not None
    after = training.scores
    shown = _judge(order, with_usual(order.gate), before, after, audit)
    printer.show(
        scores_table(before, "Before pruning"),
        scores_table(after, "After pruning"),
        *score_remarks(after, bundle.name),
        gate_sheet(shown).to_rich(),
        *gate_remarks(shown),
    )
    return _judge(order, order.gate, before, after, audit)


def show_unscored(order: Order, audit: PruningAudit, printer: Printer) -> GateResult:
    """Show a verdict on a network without scores: R² counts only if it was asked for."""
    from spinn_edge.report.pruning import gate_remarks, gate_sheet

    verdict = _judge(order, order.gate, None, None, audit)
    printer.show(gate_sheet(verdict).to_rich(), *gate_remarks(verdict))
    return verdict


def _judge(
    order: Order,
    gate: PruningGate,
    before: Scores | None,
    after: Scores | None,
    audit: PruningAudit,
) -> GateResult:
    from spinn_edge.pruning.gates.gate import judge

    speedup = None if audit.latency is None else audit.latency.speedup
    return judge(gate, before, after, audit, speedup, finetune_epochs=order.epochs)


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
    if order.rollback is None:  # a stage that was gone back to is what was asked for
        raise_for_gate(verdict)
    if checks is not None and not checks.passed:
        raise PruningError(
            "the network is written, but its physics is worse than was allowed; see the last "
            "round's check above: raise --physics-weight, or remove less"
        )
