"""``spinn-edge demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinn_edge.cli import options as o


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.", show_default=False)],
    quick: Annotated[bool, typer.Option("--quick", help="Less data, fewer epochs.")] = False,
    seed: o.Seed = 0,
    force: o.Force = False,
    html: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write a page with charts, which needs no network."),
    ] = None,
) -> None:
    """Run the whole way on simulated milling data: train, prune, export, verify, bench."""
    from spinn_edge.cli.bench import raise_for_rows
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.progress import EpochProgress
    from spinn_edge.cli.time_left import TimedLines
    from spinn_edge.core.errors import ParityError
    from spinn_edge.core.optional import require
    from spinn_edge.report.console import bench_table, scores_table, verification_table
    from spinn_edge.report.json_document import bench_document, to_text
    from spinn_edge.report.markdown import results_markdown
    from spinn_edge.report.page.page import run_page
    from spinn_edge.report.pruning import audit_table
    from spinn_edge.report.remarks import score_remarks, verification_remarks
    from spinn_edge.report.result_remarks import screen_remarks

    require("torch", extra="export")
    from spinn_edge.demo.tour import FULL, QUICK, Listener, run_tour

    printer = Printer(html)
    with EpochProgress(printer) as progress:
        listener = Listener(
            on_step=progress.say,
            on_turn=TimedLines(progress.say).step,
            on_run=progress.begin,
            on_epoch=progress.advance,
        )
        tour = run_tour(out, QUICK if quick else FULL, seed=seed, force=force, listener=listener)
    for bundle in (tour.dense, tour.pruned):
        training, pruning = bundle.manifest.training, bundle.manifest.pruning
        if pruning is not None:
            printer.show(audit_table(pruning))
        if training is not None:
            printer.show(
                scores_table(training.scores, f"Scores of {bundle.name}"),
                *score_remarks(training.scores, bundle.name),
            )
    for verification in tour.verifications:
        printer.show(
            verification_table(verification, every_runtime=True),
            *verification_remarks(verification, every_runtime=True),
        )
    printer.show(
        bench_table(tour.result, width=printer.width),
        *screen_remarks(tour.result),
    )
    printer.write(to_text(bench_document(tour.result)), str(out / "results.json"))
    printer.write(results_markdown(tour.result), str(out / "results.md"))
    if html is not None:
        printer.write(run_page(tour.result, (tour.dense, tour.pruned)), html)
    if not all(verification.passed for verification in tour.verifications):
        raise ParityError(f"the bundles in {out} failed verification, see above")
    raise_for_rows(tour.result, every_runtime=True)
