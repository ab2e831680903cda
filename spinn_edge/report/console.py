"""Results as rich tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from spinn_edge.accuracy.verification import Verification
from spinn_edge.bench.result import BenchResult
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.manifest import Manifest, Scores
from spinn_edge.report import formatting as f
from spinn_edge.report.beyond_golden import (
    ROWS_ALONE,
    SEARCH_HEAD,
    batch_verdict,
    search_cells,
    tolerance_words,
)
from spinn_edge.report.footprints import footprint_sheet
from spinn_edge.report.latency_columns import Column, name_columns, several_precisions
from spinn_edge.report.latency_tables import LatencyTable, latency_tables
from spinn_edge.report.left_out import split_rows
from spinn_edge.report.model_facts import files_sheet, manifest_sheet, scores_sheet
from spinn_edge.report.runtime_status import RuntimeStatus
from spinn_edge.report.screen import FULL_WIDTH
from spinn_edge.report.screen_table import screen_table

_STATUS = {"ok": "green", "unavailable": "yellow", "failed": "red"}


def bench_table(result: BenchResult, *, width: int = FULL_WIDTH) -> Group:
    """Return a table for each boundary that was timed and each fixed rate, a line for each row.

    Args:
        result: the rows.
        width: columns of the screen; a narrow one gets the columns that fit, and a caption that
            says where the others are.
    """
    shown, _ = split_rows(result)
    tables = [_latency_table(found, width) for found in latency_tables(shown)]
    if (footprints := footprint_sheet(shown)) is not None:
        tables.append(footprints.to_rich())
    return Group(*tables) if tables else Group("nothing was timed")


def _latency_table(found: LatencyTable, width: int) -> Table:
    """Return one table, leaving out columns, the least important first, until it fits."""
    figures = list(found.figures)
    ruler = Console(width=10_000, height=1)  # both: else a dumb terminal counts as 80 columns wide
    while True:
        table = _filled_table(found, figures)
        last = max(column.rank for column in figures)
        if not last or ruler.measure(table).maximum <= width:
            break
        figures = [column for column in figures if column.rank < last]
    gone = [column.title for column in found.figures if column not in figures]
    if gone:
        table.caption = f"{', '.join(gone)}: in a wider window, --json or --markdown"
    return table


def _filled_table(found: LatencyTable, figures: Sequence[Column]) -> Table:
    names = name_columns(found.rows)
    precision = "" if several_precisions(found.rows) else f", {found.rows[0].precision}"
    table = screen_table(
        f"{found.title}{precision}",
        *(f">{column.title}" if column.number else column.title for column in (*names, *figures)),
    )
    for row in found.rows:
        cells = [f"[{_STATUS[row.status]}]{row.status}[/]"]
        if row.status == "ok":
            cells = [column.text(row) for column in figures]
        table.add_row(*(escape(column.text(row)) for column in names), *cells)
    return table


def verification_table(verification: Verification, *, every_runtime: bool = False) -> Table:
    """Return a line for each check and each runtime that was skipped.

    Args:
        verification: the checks.
        every_runtime: no runtime was named: what cannot work here is left to
            :func:`spinn_edge.report.remarks.verification_remarks`.
    """
    several = len(verification.precisions) > 1
    precision = "" if several else "".join(f", {name}" for name in verification.precisions)
    table = screen_table(
        f"Parity of {escape(verification.bundle)} with its float64 reference{precision}",
        *(("runtime", "precision") if several else ("runtime",)),
        *(">batch", ">max abs", ">tolerance", "verdict"),
    )
    for check in verification.checks:
        verdict = (
            "[green]passed[/]" if check.passed else f"[red]failed[/]: {escape(check.reason or '')}"
        )
        table.add_row(
            escape(f.served(check.runtime, check.served_by)),
            *[check.precision] * several,
            str(check.batch),
            f.magnitude(check.max_abs),
            tolerance_words(check.tolerance, check.share_by_hand),
            verdict,
        )
    for batch in verification.batch_checks:
        word = "[green]passed[/]; " if batch.reason is None else "[red]failed[/]: "
        table.add_row(
            escape(batch.runtime),
            *[batch.precision] * several,
            ROWS_ALONE,
            f.magnitude(batch.proof.max_abs),
            tolerance_words(batch.proof.tolerance, batch.share_by_hand),
            word + escape(batch_verdict(batch)),
        )
    for skipped in () if every_runtime else verification.skipped:
        table.add_row(
            escape(skipped.runtime),
            *[skipped.precision] * several,
            *["–"] * 3,
            f"[yellow]not run[/]: {escape(skipped.reason)}",
        )
    return table


def search_table(verification: Verification) -> Table:
    """Return a line for each search: how far a form is from float64 at the worst input found."""
    several = len(verification.precisions) > 1
    table = screen_table(
        f"Worst input in the range of {escape(verification.bundle)}'s golden inputs",
        *(("runtime", "precision") if several else ("runtime",)),
        *(f">{title}" for title in SEARCH_HEAD[:-1]),
        *(SEARCH_HEAD[-1], "verdict"),
    )
    for check in verification.searches:
        word = "[green]passed[/]" if check.reason is None else "[red]failed[/]"
        cells = map(escape, search_cells(check))
        table.add_row(escape(check.runtime), *[check.precision] * several, *cells, word)
    return table


def runtimes_table(statuses: tuple[RuntimeStatus, ...]) -> Table:
    """Return a line for each runtime."""
    table = screen_table("Runtimes on this machine", "name", "available", "version", "why not")
    for status in statuses:
        mark = "[green]yes[/]" if status.available else "[yellow]no[/]"
        table.add_row(
            escape(status.name), mark, escape(status.version or "–"), escape(status.reason or "")
        )
    return table


def manifest_table(manifest: Manifest, name: str) -> Table:
    """Return :func:`spinn_edge.report.model_facts.manifest_sheet` for the screen."""
    return manifest_sheet(manifest, name).to_rich()


def files_table(bundle: Bundle) -> Table:
    """Return :func:`spinn_edge.report.model_facts.files_sheet` for the screen."""
    return files_sheet(bundle).to_rich()


def scores_table(scores: Scores, title: str) -> Table:
    """Return :func:`spinn_edge.report.model_facts.scores_sheet` for the screen."""
    return scores_sheet(scores, title).to_rich()
