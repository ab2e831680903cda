"""Places of charts: title, plot, caption, and the same figures as a table."""

from __future__ import annotations

from spinn_edge.report.charts.chart import Chart
from spinn_edge.report.charts.embedding import chart_block
from spinn_edge.report.page.markup import Html, tag
from spinn_edge.report.page.sheet_table import short_table

_SECTIONS = {
    "latency-distribution": "distribution",
    "latency": "timings",
    "speed-up": "speed-up",
    "pareto": "pareto",
    "throughput": "rates",
    "deadlines": "rates",
    "waterfall": "waterfall",
    "parity": "parity",
    "start": "footprint",
    "memory": "footprint",
    "pruning": "models",
    "roofline": "roofline",
}
"""Sections of the page by the beginning of a chart's id."""


def section_of(chart: Chart) -> str:
    """Return the id of the section that a chart belongs to; ``more`` for any other."""
    return next((name for start, name in _SECTIONS.items() if chart.id.startswith(start)), "more")


def chart_place(chart: Chart) -> Html:
    """Return a chart with its table, or why there is none."""
    heading = tag("h3", chart.title)
    if chart.spec is None:
        reason = tag("p", f"Not drawn: {chart.reason}.", class_="note")
        return tag("div", heading, reason, id=f"place-{chart.id}", class_="place missing")
    table = Html("")
    if chart.table is not None:
        table = tag("details", tag("summary", "The same as a table"), short_table(chart.table))
    without = tag("noscript", tag("p", "JavaScript draws it; the table holds the same figures."))
    drawn = Html(chart_block(chart))  # which escapes what it holds
    return tag("div", heading, without, drawn, table, id=f"place-{chart.id}", class_="place drawn")
