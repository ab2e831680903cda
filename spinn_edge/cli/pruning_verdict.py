"""What ``spinn-edge prune`` shows in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinn_edge.core.errors import PruningError

if TYPE_CHECKING:
    from torch import nn

    from spinn_edge.cli.latency_target import LatencyTarget
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.core.manifest import Scores
    from spinn_edge.core.pruning_record import PruningAudit
    from spinn_edge.pruning.rounds import PrunedModel


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


def show_scores(bundle: Bundle, before: Scores, printer: Printer, *, epochs: int) -> bool:
    """Show the scores before and after and the gate's verdict; return whether it passed."""
    from spinn_edge.pruning.gate import PruningGate, judge
    from spinn_edge.report.console import scores_table
    from spinn_edge.report.pruning import gate_remarks, gate_sheet
    from spinn_edge.report.remarks import score_remarks

    training, audit = bundle.manifest.training, bundle.manifest.pruning
    assert training is not None
    assert audit is not None
    printer.show(scores_table(before, "Before pruning"))
    printer.show(
        scores_table(training.scores, "After pruning"),
        *score_remarks(training.scores, bundle.name),
    )
    verdict = judge(PruningGate(), before, training.scores, audit, finetune_epochs=epochs)
    printer.show(gate_sheet(verdict).to_rich(), *gate_remarks(verdict))
    return verdict.passed


def show_latency(target: LatencyTarget, pruned: PrunedModel[nn.Module], printer: Printer) -> bool:
    """Measure the pruned network, say whether it is fast enough, and return it."""
    widths = tuple(layer.after for layer in pruned.audit.layers)
    verdict = target.judge(pruned.module, widths)
    printer.show(f"latency {verdict.words}")
    return verdict.reached


def raise_for_verdict(passed: bool) -> None:
    """Leave with the exit code of a failure where the user asked for a gate.

    Raises:
        PruningError: the network does not hold what was asked.
    """
    if not passed:
        raise PruningError("the network is written, but it missed the gate; see the verdict above")
