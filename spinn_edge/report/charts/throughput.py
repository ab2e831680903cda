"""Throughput against the batch, and where it stops growing."""

from __future__ import annotations

from typing import Any

from spinn_edge.bench.loops.saturation import DOUBLINGS, saturations
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.axes import log_axis, tick_texts
from spinn_edge.report.charts.chart import Chart, Spec
from spinn_edge.report.charts.legend import Legend, runtime_name
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.charts.specs import choice, only, plot, tooltip
from spinn_edge.report.charts.timed_rows import (
    models_of,
    names_of,
    runtimes_of,
    timed_rows,
)
from spinn_edge.report.sheet import Sheet

TITLE = "Throughput against batch size"
CAPTION = (
    "Samples a second, inferences following each other. A ring marks the smallest batch that is "
    "near the best throughput, where sizes are doublings"
)
_REASON = (
    "not measured: it takes three batch sizes or more of one model on one runtime; measure with: "
    "spinn-edge bench MODEL --batch sweep"
)
_FACTS = {
    "model": "model",
    "runtime": "runtime",
    "batch": "batch",
    "throughput": "throughput",
    "median": "median latency",
    "knee": "saturates here",
}


def throughput_chart(result: BenchResult, legend: Legend, number: int) -> Chart:
    """Return a line for each model and runtime of one result that was timed at three sizes."""
    rows = _swept(timed_rows(result))
    if not rows:
        return Chart(id=f"throughput-{number}", title=TITLE, caption="", reason=_REASON)
    knees = {
        (found.bundle, found.runtime, found.precision, found.boundary, found.knee_batch)
        for found in saturations(result.rows)
        if found.saturated
    }
    values: list[dict[str, Any]] = [
        {
            **_facts(row, at_knee),
            "shown": row.boundary,
            "size": row.batch,
            "per_s": row.throughput_per_s,
            "at_knee": "yes" if at_knee else "no",
        }
        for row in rows
        for at_knee in [_place(row) in knees]
    ]
    names = ("model", "runtime", "boundary")
    return Chart(
        id=f"throughput-{number}",
        title=TITLE,
        caption=CAPTION,
        spec=plot(values, names_of(rows), _spec(rows, legend), f"{TITLE}. {CAPTION}."),
        table=Sheet(
            title=TITLE,
            head=(*names, ">batch", ">throughput", ">median latency", "saturates here"),
            lines=tuple(
                (
                    *(row.bundle, runtime_name(row), row.boundary),
                    *list(_facts(row, _place(row) in knees).values())[2:],
                )
                for row in rows
            ),
        ),
    )


def _swept(rows: list[Row]) -> list[Row]:
    """Return the rows of lines with three points or more."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row.throughput_per_s is not None:
            key = (row.bundle, row.runtime, row.precision, row.boundary)
            groups.setdefault(key, []).append(row)
    return [
        row
        for group in groups.values()
        if len({row.batch for row in group}) > DOUBLINGS
        for row in sorted(group, key=lambda row: row.batch)
    ]


def _place(row: Row) -> tuple[str, str, str, str, int]:
    return row.bundle, row.served_by, row.precision, row.boundary, row.batch


def _facts(row: Row, at_knee: bool) -> dict[str, str]:
    return {
        "model": short_name(row.bundle),
        "runtime": short_name(runtime_name(row)),
        "batch": f.whole(row.batch),
        "throughput": f.per_second(row.throughput_per_s),
        "median": f.seconds(row.median_s),
        "knee": "yes" if at_knee else "no",
    }


def _spec(rows: list[Row], legend: Legend) -> Spec:
    sizes = sorted({row.batch for row in rows})
    x = {
        "field": "size",
        "type": "quantitative",
        "title": "batch: samples in one inference",
        "scale": {"type": "log", "base": 2, "nice": False, "padding": 14},
        "axis": tick_texts([float(size) for size in sizes], lambda size: f.whole(round(size))),
    }
    rates = [row.throughput_per_s or 0.0 for row in rows]
    y = {"field": "per_s", **log_axis("samples a second", rates, f.per_second)}
    return {
        **choice(row.boundary for row in rows),
        "height": 280,
        "encoding": {
            "x": x,
            "y": y,
            "color": legend.colour(models_of(rows)),
            "tooltip": tooltip(_FACTS),
        },
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {"strokeDash": legend.dash(runtimes_of(rows))},
            },
            {"mark": {"type": "point", "filled": True, "size": 50, "opacity": 1}},
            {
                "transform": only(at_knee="yes"),
                "mark": {"type": "point", "filled": False, "size": 260, "strokeWidth": 2},
            },
        ],
    }
