"""A comparison as rich tables and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from spinn_edge.bench.regression.comparison import PARITY, Comparison, FactChange
from spinn_edge.report import formatting as f
from spinn_edge.report.comparison_words import (
    NOT_JUDGED,
    change_words,
    comparison_remarks,
    fact_cells,
    floor_cell,
    interval_cell,
    outcome,
    relative,
    rule_words,
    summary,
)
from spinn_edge.report.markdown_text import cell
from spinn_edge.report.screen_table import screen_table

_LATENCY_HEAD = (
    "latency",
    ">old",
    ">new",
    ">change",
    ">95 % interval",
    ">noise floor",
    "verdict",
    "gate",
)
_FACT_HEAD = ("beside it", "what", ">old", ">new", ">change", "gate")
_COLOURS = {"ok": "green", "FAILED": "red", NOT_JUDGED: "yellow"}
_MEANING = "old and new: geometric mean of the launches' medians"


def comparison_table(comparison: Comparison) -> Group:
    """Return a table of latencies and one of everything else, for the screen."""
    tables = []
    if comparison.latencies:
        tables.append(_table(_LATENCY_HEAD, _latency_lines(comparison), _MEANING))
    if facts := list(_fact_lines(comparison)):
        tables.append(_table(_FACT_HEAD, facts, None))
    return Group(*tables)


def comparison_markdown(comparison: Comparison) -> str:
    """Return the tables, what failed, what differs, and the rule, as a Markdown document."""
    parts = [f"# Comparison: {summary(comparison)}", ""]
    if comparison.failures:
        parts += [f"- {cell(change_words(c, comparison))}" for c in comparison.failures]
        parts += [""]
    if comparison.latencies:
        parts += [*_markdown_table(_LATENCY_HEAD, _latency_lines(comparison)), ""]
        parts += [f"{_MEANING}.".capitalize(), ""]
    if facts := list(_fact_lines(comparison)):
        parts += [*_markdown_table(_FACT_HEAD, facts), ""]
    if remarks := comparison_remarks(comparison):
        parts += [*(f"- {cell(remark)}" for remark in remarks), ""]
    parts += [
        rule_words(comparison),
        "",
        f"OLD was measured {cell(comparison.old_created_utc)}, NEW "
        f"{cell(comparison.new_created_utc)}.",
        "",
    ]
    return "\n".join(parts)


def _latency_lines(comparison: Comparison) -> list[list[str]]:
    return [
        [
            change.name,
            f.seconds(change.old_s),
            f.seconds(change.new_s),
            relative(change.ratio),
            interval_cell(change),
            floor_cell(change),
            change.verdict,
            outcome(change),
        ]
        for change in comparison.latencies
    ]


def _fact_lines(comparison: Comparison) -> Iterator[list[str]]:
    """Return a line for each fact; parity that passes, as it did, needs none."""
    for change in comparison.facts:
        if change.kind != PARITY or change.failed:
            yield _fact_line(change)


def _fact_line(change: FactChange) -> list[str]:
    return [change.name, change.kind, *fact_cells(change), outcome(change)]


def _table(head: Sequence[str], lines: Sequence[Sequence[str]], caption: str | None) -> Table:
    table = screen_table("", *head)
    table.caption = caption
    for *cells, gate in lines:
        table.add_row(*map(escape, cells), f"[{_COLOURS[gate]}]{gate}[/]")
    return table


def _markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(title.removeprefix('>') for title in head)} |"
    yield f"| {' | '.join('---:' if title[:1] == '>' else '---' for title in head)} |"
    for line in lines:
        yield f"| {' | '.join(map(cell, line))} |"
