"""What ``spinn-edge mask`` does: stages of masking, and what it says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from spinn_edge.cli import options as o
from spinn_edge.cli.stage_folder import go_on_words

if TYPE_CHECKING:
    from spinn_edge.bench.result import BenchResult
    from spinn_edge.cli.lesson import Taught
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.core.manifest import Scores
    from spinn_edge.models.modules import MLP
    from spinn_edge.pruning.gates.gate import GateResult, PruningGate
    from spinn_edge.pruning.masks.record import Masking
    from spinn_edge.pruning.masks.stages import MaskedModel, StageState
    from spinn_edge.pruning.schedule import CumulativeRow, Stage
    from spinn_edge.pruning.staged.continuation import Stages


def schedule_text(stages: tuple[Stage, ...]) -> str:
    """Return a schedule in one spelling, so that 30% and 0.3 are the same request."""
    return ",".join(f"{s.ratio!r}:{s.epochs}:{s.learning_rate!r}" for s in stages)


def mask_taught(
    printer: Printer, taught: Taught, stages: tuple[Stage, ...], kept: Stages, **options: Any
) -> MaskedModel[MLP]:
    """Mask in stages and show each.

    Args:
        printer: shows epochs and layers.
        taught: network and rows.
        stages: ratio, epochs and rate of each.
        kept: where they are kept.
        options: further ones of :func:`spinn_edge.pruning.masks.reference.mask_on_rows`.
    """
    from spinn_edge.cli.progress import EpochProgress
    from spinn_edge.pruning.masks.reference import mask_on_rows
    from spinn_edge.report.masked import stage_sheet

    with EpochProgress(printer) as progress:

        def begin(row: CumulativeRow) -> None:
            title = f"stage {row.number}/{len(stages)}, {row.cumulative:.2%} masked"
            progress.begin(title, row.stage.epochs, sum(s.epochs for s in stages[row.number :]))

        def end(state: StageState) -> None:
            for record in state.records[-1:]:
                progress.say(f"stage {record.number}: {record.achieved:.2%} masked, none regrown")
                printer.show(stage_sheet(record).to_rich())

        masked = mask_on_rows(
            taught.mlp,
            taught.lesson.split,
            taught.lesson.scaling,
            stages,
            kept=kept,
            on_begin=begin,
            on_epoch=progress.advance,
            on_stage=end,
            **options,
        )
    if masked.interrupted:
        printer.say(go_on_words(kept))
        if masked.fits[-1].best is None:
            printer.say("stopped before an epoch of this stage ended: no bundle was written")
            raise typer.Exit(o.INTERRUPTED)
    return masked


def show_masked(
    printer: Printer, masking: Masking, before: Scores, written: Bundle, gate: PruningGate
) -> GateResult:
    """Show stages, scores and the gate's verdict."""
    from spinn_edge.pruning.gates.gate import judge_scores
    from spinn_edge.pruning.gates.score_advice import after_masking
    from spinn_edge.report.console import scores_table
    from spinn_edge.report.masked import left_alone_words, stages_sheet
    from spinn_edge.report.pruning import gate_remarks, gate_sheet
    from spinn_edge.report.remarks import score_remarks

    scores = _scores(written)
    verdict = judge_scores(gate, before, scores, after_masking(masking.pattern))
    if masking.stages:
        printer.show(stages_sheet(masking).to_rich())
    printer.show(
        *left_alone_words(masking),
        scores_table(before, "Before masking"),
        scores_table(scores, "After masking"),
        *score_remarks(scores, written.name),
        gate_sheet(verdict).to_rich(),
        *gate_remarks(verdict),
    )
    return verdict


def raise_for_limits(
    limits: PruningGate, before: Scores, written: Bundle, masking: Masking
) -> None:
    """Leave with the exit code of a failure where a limit that was typed is missed.

    Raises:
        PruningError: says which; the network is written all the same.
    """
    from spinn_edge.cli.gate_options import raise_for_gate
    from spinn_edge.pruning.gates.gate import judge_scores
    from spinn_edge.pruning.gates.score_advice import after_masking

    advice = after_masking(masking.pattern)
    raise_for_gate(judge_scores(limits, before, _scores(written), advice))


def report_masked(
    printer: Printer,
    written: Bundle,
    masking: Masking,
    verdict: GateResult,
    results: list[BenchResult],
    *,
    json: str | None,
    markdown: str | None,
) -> None:
    """Show what was timed, and write the documents that were asked for."""
    from spinn_edge.report.console import bench_table
    from spinn_edge.report.json_document import to_text
    from spinn_edge.report.masked import masked_document, masked_markdown, speed_words
    from spinn_edge.report.result_remarks import result_remarks

    scores = _scores(written)
    words = speed_words(results, masking)
    for result in results:
        printer.show(bench_table(result, width=printer.width), *result_remarks(result))
    printer.show(*words)
    printer.write(to_text(masked_document(masking, scores, verdict, words, results)), json)
    printer.write(masked_markdown(masking, scores, verdict, words, results), markdown)


def _scores(written: Bundle) -> Scores:
    assert written.manifest.training is not None
    return written.manifest.training.scores
