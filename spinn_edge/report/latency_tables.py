"""Which tables the rows of a benchmark make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spinn_edge.bench.boundaries import BOUNDARIES
from spinn_edge.bench.measurement import Row
from spinn_edge.report.deadlines import DEADLINE_SPAN, deadline_columns, deadline_title
from spinn_edge.report.latency_columns import SPANS, TITLES, Column, figure_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyTable:
    """Rows that may stand below each other.

    Attributes:
        title: above them.
        lead: what their figures span, a sentence without its full stop.
        figures: columns of a row that was timed.
        rows: in order.
    """

    title: str
    lead: str
    figures: tuple[Column, ...]
    rows: tuple[Row, ...]


def latency_tables(rows: Sequence[Row]) -> list[LatencyTable]:
    """Return a table for each boundary that was timed, and one for each fixed rate."""
    tables = [
        LatencyTable(
            title=TITLES[boundary],
            lead=f"Boundary {boundary}: {SPANS[boundary]}",
            figures=figure_columns(boundary),
            rows=tuple(row for row in rows if (row.boundary, row.rate_per_s) == (boundary, None)),
        )
        for boundary in BOUNDARIES
    ]
    tables += [
        LatencyTable(
            title=deadline_title(rate_per_s),
            lead=f"{deadline_title(rate_per_s)}; {DEADLINE_SPAN}",
            figures=deadline_columns(),
            rows=tuple(row for row in rows if row.rate_per_s == rate_per_s),
        )
        for rate_per_s in sorted({row.rate_per_s for row in rows if row.rate_per_s is not None})
    ]
    return [table for table in tables if table.rows]
