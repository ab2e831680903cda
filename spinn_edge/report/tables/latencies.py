"""Every row of a benchmark as texts, a table for each boundary and rate."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spinn_edge.bench.result import BenchResult
from spinn_edge.report.latency_columns import Column, name_columns
from spinn_edge.report.latency_tables import LatencyTable, latency_tables
from spinn_edge.report.left_out import split_rows
from spinn_edge.report.sheet import Sheet

DASHES = "A dash under a percentile means that fewer than ten samples lie beyond it"
"""Said wherever one may stand."""

_PERCENTILE = re.compile(r"p\d")

_BRIEF_RANK = 2
"""Columns above this rank are left out of a brief table, but for the interval."""


def latency_sheets(result: BenchResult, *, brief: bool = False) -> tuple[Sheet, ...]:
    """Return the tables of latencies, titled by what their figures span.

    Args:
        result: the rows.
        brief: fit a page: less important columns are left out, and the status where all is well.
    """
    shown, _ = split_rows(result)
    return tuple(_sheet(table, brief) for table in latency_tables(shown))


def _sheet(table: LatencyTable, brief: bool) -> Sheet:
    names = name_columns(table.rows)
    status = Column(title="status", text=lambda row: row.status, number=False)
    figures = [c for c in table.figures if not brief or _is_brief(c)]
    counts = [
        Column(title="samples", text=lambda row: str(len(row.samples_s))),
        Column(title="launches", text=lambda row: str(len(row.launch_samples))),
    ]
    columns = [*names, status, *figures, *counts]
    if brief:
        well = all(row.status == "ok" for row in table.rows)
        columns = [*names, *([] if well else [status]), *figures]
    return Sheet(
        title=table.lead,
        head=tuple(f">{c.title}" if c.number else c.title for c in columns),
        lines=tuple(tuple(c.text(row) for c in columns) for row in table.rows),
        caption=DASHES if _has_dashes(table, figures) else "",
    )


def _has_dashes(table: LatencyTable, figures: Sequence[Column]) -> bool:
    tails = [column for column in figures if _PERCENTILE.match(column.title)]
    return any(column.text(row) == "–" for column in tails for row in table.rows if row.samples_s)


def _is_brief(column: Column) -> bool:
    return column.rank <= _BRIEF_RANK or column.title == "95 % interval"
