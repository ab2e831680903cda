"""``spinn-edge adapt``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.training.adaptation.adapter import Step

POLL_S = 0.5
"""How often a file that is followed is looked at."""
SHOWN_EVERY = 10
"""Batches between two looks at the figures on a terminal."""
SAID_EVERY = 50
"""Batches between two lines of progress where there is no terminal."""


def adapt(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="Bundle with weights.", show_default=False)
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="CSV",
            help="New labelled rows in the order in which they came; - for standard input.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Bundle folder to write.", show_default=False)
    ] = None,
    layers: Annotated[int, typer.Option(help="Linear layers that move, from the last one.")] = 1,
    batch: Annotated[int, typer.Option(help="Rows tested, then learnt, together.")] = 32,
    drift_limit: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="How far outputs on the golden inputs may move, of each channel's scale.",
        ),
    ] = 0.05,
    replay: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Weight of the old outputs on the golden inputs beside a full memory of rows.",
        ),
    ] = 0.2,
    memory: Annotated[
        int, typer.Option(metavar="ROWS", help="Rows after which one counts for 1/e.")
    ] = 1024,
    learning_rate: Annotated[
        float,
        typer.Option("--learning-rate", "--lr", help="Of gradient steps; one layer needs none."),
    ] = 3e-4,
    range_factor: Annotated[
        float, typer.Option(help="Values further out than this many training ranges are absurd.")
    ] = 3.0,
    surprise: Annotated[
        float,
        typer.Option(help="A batch with this many times the usual error must agree with itself."),
    ] = 3.0,
    seed: Annotated[int, typer.Option(help="Of the draws of gradient steps.")] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for more rows at the end of --data; Ctrl-C ends.")
    ] = False,
    test: o.Test = None,
    features: Annotated[
        str | None, typer.Option(help="Input columns, for a bundle that does not know its own.")
    ] = None,
    targets: Annotated[str | None, typer.Option(help="Output columns, likewise.")] = None,
    drop_na: o.DropNa = False,
    rollback: Annotated[
        bool,
        typer.Option(
            "--rollback", help="Find the bundle that BUNDLE was adapted from; --out copies it."
        ),
    ] = False,
    look_in: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Where --rollback looks, beside BUNDLE's own folder; may be repeated.",
            show_default=False,
        ),
    ] = None,
    json: o.Json = None,
    trust_factory: o.TrustFactory = False,
    force: o.Force = False,
) -> None:
    """Let the last layers of a deployed network follow new labelled rows, under guard.

    Every batch is predicted before it is learnt. A new version is written only where that went
    surely better than with the old weights; BUNDLE itself is never changed.
    """
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.core.adaptation_record import AdaptationSettings
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.core.errors import RegressionError, UsageError
    from spinn_edge.core.optional import require

    printer = Printer(json)
    parent = Bundle.load(bundle)
    if rollback:
        if data is not None:
            raise UsageError("--rollback goes back and learns nothing; leave out --data")
        _roll_back(printer, parent, out, look_in or [], force=force)
        return
    if data is None or out is None:
        raise UsageError(
            "name the new rows and the bundle to write: spinn-edge adapt BUNDLE --data new.csv "
            "--out NEW"
        )
    if follow and data == "-":
        raise UsageError("standard input is followed anyway; leave out --follow")
    require("torch", extra="export")
    from spinn_edge.export import adapted as a
    from spinn_edge.export.same_formats import check_exporters
    from spinn_edge.report.adaptation import (
        adaptation_document,
        adaptation_remarks,
        adaptation_table,
    )
    from spinn_edge.report.json_document import to_text
    from spinn_edge.training.adaptation.adapter import OnlineAdapter
    from spinn_edge.training.adaptation.stream import LeftOut, csv_batches

    a.check_adapted_output(parent, out, force=force)
    settings = AdaptationSettings(
        layers=layers,
        batch=batch,
        drift_limit=drift_limit,
        replay=replay,
        memory=memory,
        learning_rate=learning_rate,
        range_factor=range_factor,
        surprise=surprise,
        seed=seed,
    )
    adapter = OnlineAdapter.of_bundle(
        parent,
        settings,
        features=o.names(features),
        targets=o.names(targets),
        trust_factory=trust_factory,
    )
    held = a.read_test(adapter, test)
    check_exporters(parent)
    left_out = LeftOut()
    source = "standard input" if data == "-" else Path(data).name
    batches = csv_batches(
        _lines(data, follow=follow),
        features=adapter.subject.features,
        targets=adapter.subject.targets,
        size=batch,
        source=source,
        drop_na=drop_na,
        left_out=left_out,
    )
    rows = 0 if follow or data == "-" else _count_rows(Path(data))
    with StepProgress(printer, f"adapting to {source}", numbered=False) as show:
        show.step(f"adapting to {source}", 0, rows)
        watch = _BatchWatch(printer, adapter, show, rows)
        interrupted = a.follow(adapter, batches, watch.look)
    record = a.adapted_record(
        adapter,
        parent,
        source=source,
        rows_left_out=left_out.rows,
        interrupted=interrupted,
        test=held,
    )
    printer.show(adaptation_table(record), *adaptation_remarks(record))
    if reason := a.why_not_better(record):
        printer.write(to_text(adaptation_document(record, None, reason)), json)
        words = f"{bundle}: {reason}; nothing was written"
        if not interrupted:
            raise RegressionError(words)
        printer.say(words)
        raise typer.Exit(o.INTERRUPTED)
    with StepProgress(printer, "writing the new version", alike=False) as show:
        made = a.write_adapted(
            adapter, parent, out, record, test=held, force=force, on_step=show.step
        ).bundle
    printer.write(to_text(adaptation_document(record, str(made.root), None)), json)
    printer.show(
        f"wrote {made.root}, version {record.version}; to go back: "
        f"spinn-edge adapt {made.root} --rollback"
    )
    if interrupted:
        printer.say(f"stopped early: {made.root} holds what was learnt so far")
        raise typer.Exit(o.INTERRUPTED)


class _BatchWatch:
    """Says how far a stream is, and which batches were refused."""

    def __init__(self, printer: Printer, adapter: Any, show: StepProgress, rows: int) -> None:
        self._printer, self._adapter, self._show = printer, adapter, show
        self._rows, self._batches = rows, 0

    def look(self, step: Step) -> None:
        """Show a batch that was dealt with."""
        self._batches += 1
        if self._batches % (SHOWN_EVERY if self._printer.notes.is_terminal else SAID_EVERY) == 0:
            from spinn_edge.report.adaptation import progress_words

            words = progress_words(self._adapter.record(), step.last_row, self._rows)
            self._show.step(words, step.last_row, self._rows)


def _count_rows(path: Path) -> int:
    """Return the rows below the head of a file; 0 for a pipe, which can be read only once.

    A line feed within quotes counts as one more.
    """
    from spinn_edge.training.adaptation.stream import lines_of

    if not path.is_file():
        return 0
    return max(sum(1 for _ in lines_of(path)) - 1, 0)


def _lines(data: str, *, follow: bool) -> Iterator[str]:
    from spinn_edge.training.adaptation.stream import growing_lines, lines_of

    if data == "-":
        return iter(sys.stdin)
    if not follow:
        return lines_of(Path(data))
    import time

    return growing_lines(Path(data), lambda: time.sleep(POLL_S))


def _roll_back(
    printer: Printer, bundle: Any, out: Path | None, look_in: list[Path], *, force: bool
) -> None:
    from spinn_edge.core.lineage import copy_bundle, find_parent

    beside = bundle.root.absolute().parent
    parent = find_parent(bundle, (beside, *look_in))
    if out is None:
        print(parent.root)  # alone on standard output, for scripts
        printer.say("every file of it is as its manifest says; to copy it, add --out FOLDER")
        return
    made = copy_bundle(parent, out, force=force)
    printer.show(f"wrote {made.root}, a copy of {parent.root}, which {bundle.root} came from")
