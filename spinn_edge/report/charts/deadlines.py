"""Missed deadlines of fixed-rate loops."""

from __future__ import annotations

from spinn_edge.bench.loops.pacing import Pacing
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.axes import linear_ticks, tick_texts
from spinn_edge.report.charts.chart import Chart, Spec
from spinn_edge.report.charts.legend import Legend, runtime_name
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.charts.specs import beside, choice, height_of, plot, rows_axis, tooltip
from spinn_edge.report.charts.timed_rows import models_of, names_of, runtimes_of
from spinn_edge.report.comparison_words import percent
from spinn_edge.report.deadlines import DEADLINE_SPAN, deadline_columns
from spinn_edge.report.sheet import Sheet

TITLE = "Missed deadlines at a fixed rate"
CAPTION = f"Share of the ticks that missed theirs: {DEADLINE_SPAN}"
_REASON = (
    "not measured: no fixed-rate loop was timed; measure with: spinn-edge bench MODEL --rate 1000"
)


def deadlines_chart(result: BenchResult, legend: Legend, number: int) -> Chart:
    """Return a bar for each row of one result that was timed at a rate."""
    rows = [row for row in result.rows if row.pacing is not None and row.samples_s]
    if not rows:
        return Chart(id=f"deadlines-{number}", title=TITLE, caption="", reason=_REASON)
    values = [
        {**_facts(row), "share": row.pacing.missed_share} for row in rows if row.pacing is not None
    ]
    columns = deadline_columns()
    return Chart(
        id=f"deadlines-{number}",
        title=TITLE,
        caption=CAPTION,
        spec=plot(values, names_of(rows), _spec(rows, legend), f"{TITLE}. {CAPTION}."),
        table=Sheet(
            title=TITLE,
            head=("model", "runtime", "of", *(f">{column.title}" for column in columns)),
            lines=tuple(
                (
                    *(row.bundle, runtime_name(row), _shown(row)),
                    *(column.text(row) for column in columns),
                )
                for row in rows
            ),
        ),
    )


def _shown(row: Row) -> str:
    return f"{f.rate(row.rate_per_s or 0)}, batch {row.batch}"


def _facts(row: Row) -> dict[str, str]:
    columns = {_key(column.title): column.text(row) for column in deadline_columns()}
    return {
        "model": short_name(row.bundle),
        "runtime": short_name(runtime_name(row)),
        "shown": _shown(row),
        **columns,
    }


def _key(title: str) -> str:
    """Return a title as the name of a field: letters alone."""
    return "".join(character for character in title if character.isalnum())


def _most(rows: list[Row]) -> float:
    """Return where the axis ends: never so near that one missed tick looks like many."""
    shares = [pacing.missed_share for row in rows if isinstance(pacing := row.pacing, Pacing)]
    return min(1.0, max(0.01, 1.25 * max(shares)))


def _spec(rows: list[Row], legend: Legend) -> Spec:
    most = _most(rows)
    titles = {_key(column.title): column.title for column in deadline_columns()}
    x = {
        "field": "share",
        "type": "quantitative",
        "title": "share of deadlines missed",
        "scale": {"domain": [0, most]},
        "axis": tick_texts(linear_ticks(0, most), percent),
    }
    names = {"model": "model", "runtime": "runtime", "shown": "of"}
    return {
        **choice(map(_shown, rows)),
        "height": height_of(runtimes_of(rows), models_of(rows), 20),
        "encoding": {
            "x": x,
            "y": rows_axis("runtime", runtimes_of(rows)),
            "yOffset": beside("model", models_of(rows)),
            "tooltip": tooltip({**names, **titles}),
        },
        "layer": [
            {"mark": {"type": "bar"}, "encoding": {"color": legend.colour(models_of(rows))}},
            {
                "mark": {"type": "text", "align": "left", "dx": 5},
                "encoding": {"text": {"field": "missed", "type": "nominal"}},
            },
        ],
    }
