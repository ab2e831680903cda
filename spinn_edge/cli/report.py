"""``spinn-edge report``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.cli.output import Printer
    from spinn_edge.report.sources import ReportSources


def report(
    documents: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS.json",
            help="What bench wrote with --json, of one machine or several; beside it documents of "
            "waterfall, verify, explain and validate.",
            show_default=False,
        ),
    ],
    bundle: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="A model that was timed: adds its pruning audit; may be repeated.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Labelled rows, CSV or NPZ: every --bundle predicts them for the figures.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write a page with charts, which needs no network."),
    ] = None,
    figures: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Draw figures, PNG and SVG.", show_default=False),
    ] = None,
    markdown: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the tables; - for standard output.")
    ] = None,
    latex: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write LaTeX tables (booktabs); - likewise.")
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write all rows; models and comparison go beside it; - for the rows alone.",
        ),
    ] = None,
    json: o.Json = None,
    github_summary: Annotated[
        bool,
        typer.Option(
            "--github-summary",
            help="Add Markdown to the summary of a step of GitHub Actions, or print it.",
        ),
    ] = False,
    junit: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write JUnit XML; - for standard output.")
    ] = None,
) -> None:
    """Show recorded results: tables here, or a page, figures, LaTeX, CSV, merged JSON."""
    from dataclasses import replace

    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.predicting import predictions_of
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.cli.report_places import check_places, figures_folder
    from spinn_edge.core.errors import UsageError
    from spinn_edge.report.sources import read_sources

    summary = (os.environ.get("GITHUB_STEP_SUMMARY") or None) if github_summary else None
    printed = "-" if github_summary and summary is None else None
    places = (html, markdown, latex, csv, json, junit, printed)
    printer = Printer(*places)
    written = (*places, *_beside_csv(csv), summary)
    check_places(written, documents=documents, bundles=bundle or (), data=data)
    folder = None if figures is None else figures_folder(figures)
    if data is not None and not bundle:
        raise UsageError(f"--data {data} needs models to run on it; name them with --bundle FOLDER")
    if data is not None and folder is None:
        raise UsageError(
            f"--data {data} is for the figure of predicted against measured; name a folder with "
            "--figures, or leave it out"
        )
    sources = read_sources(documents, bundle or [])
    if data is not None:
        with StepProgress(printer, f"predicting the rows of {data}") as show:
            found = predictions_of(sources.bundles, data, on_step=show.step)
        sources = replace(sources, predictions=found)
    _write_texts(sources, printer, html=html, markdown=markdown, latex=latex, csv=csv, json=json)
    if junit is not None:
        from spinn_edge.report.results_junit import results_junit

        printer.write(results_junit(sources.results), junit)
    if github_summary:
        _summarize(sources, printer, summary)
    if folder is not None:
        _draw(sources, printer, folder)
    if not any((*places, folder, github_summary)):
        _show(sources, printer)


def _write_texts(
    sources: ReportSources,
    printer: Printer,
    *,
    html: str | None,
    markdown: str | None,
    latex: str | None,
    csv: str | None,
    json: str | None,
) -> None:
    """Write what was asked for; each form is made only then."""
    if html is not None:
        from spinn_edge.report.page.page import render_page

        printer.write(render_page(sources), html)
    if markdown is not None:
        from spinn_edge.report.sources_markdown import sources_markdown

        printer.write(sources_markdown(sources), markdown)
    if latex is not None:
        from spinn_edge.report.tables.latex import latex_tables

        printer.write(latex_tables(sources), latex)
    if csv is not None:
        _write_csv(sources, printer, csv)
    if json is not None:
        from spinn_edge.report.json_document import to_text
        from spinn_edge.report.page.downloads import merged

        printer.write(to_text(merged(sources.results)), json)


def _beside_csv(csv: str | None) -> tuple[str, ...]:
    """Return what ``--csv`` writes beyond the file that it names."""
    from spinn_edge.report.tables.spreadsheet import ROWS, csv_paths

    if csv in (None, "-"):
        return ()
    return tuple(str(path) for name, path in csv_paths(Path(csv)).items() if name != ROWS)


def _write_csv(sources: ReportSources, printer: Printer, csv: str) -> None:
    from spinn_edge.report.tables.spreadsheet import ROWS, csv_paths, csv_tables

    tables = csv_tables(sources)
    if csv == "-":
        printer.write(tables[ROWS], csv)
        return
    for name, path in csv_paths(Path(csv)).items():
        printer.write(tables[name], str(path))


def _summarize(sources: ReportSources, printer: Printer, summary: str | None) -> None:
    from spinn_edge.report.github_summary import append_summary
    from spinn_edge.report.github_summary import github_summary as summary_text

    if summary is None:
        printer.write(summary_text(sources), "-")
    else:
        append_summary(sources, Path(summary))
        printer.say(f"added to {summary}")


def _draw(sources: ReportSources, printer: Printer, folder: Path) -> None:
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.report.figures.drawing import draw_figures, figures_words

    # figures take different times: one says nothing of another
    with StepProgress(printer, "drawing", alike=False) as show:
        drawn = draw_figures(sources, folder, on_step=show.step)
    for words in figures_words(drawn):
        printer.say(words)


def _show(sources: ReportSources, printer: Printer) -> None:
    """Print tables, as bench does; of several machines the fleet."""
    from spinn_edge.report.console import bench_table
    from spinn_edge.report.recommendations import recorded_differences
    from spinn_edge.report.result_remarks import screen_remarks
    from spinn_edge.report.tables.fleet import fleet_sheets

    if len(sources.results) > 1:
        printer.show(*(sheet.to_rich() for sheet in fleet_sheets(sources.results)), *sources.notes)
        return
    named = sources.results[0]
    remarks = screen_remarks(named.result, recorded_differences(named.raw))
    printer.show(bench_table(named.result, width=printer.width), *remarks, *sources.notes)
