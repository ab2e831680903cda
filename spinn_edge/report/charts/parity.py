"""How much of its tolerance each runtime uses: a map of the worst errors."""

from __future__ import annotations

import math
from typing import Any

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.axes import tick_texts
from spinn_edge.report.charts.chart import Chart, Spec
from spinn_edge.report.charts.legend import Legend, runtime_name
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.charts.specs import height_of, plot, rows_axis, tooltip
from spinn_edge.report.charts.timed_rows import names_of, runtimes_of
from spinn_edge.report.sheet import Sheet
from spinn_edge.report.waterfall import percent

TITLE = "Parity: worst error over its tolerance"
CAPTION = (
    "Outputs on the golden inputs against the reference, in the channel with the least margin: "
    "100 % is the limit, and what is beyond it failed. The worst over batch sizes and boundaries"
)
_REASON = (
    "not measured: no outputs were compared; compare with: spinn-edge verify BUNDLE, or spinn-edge "
    "bench BUNDLE"
)
_LEAST, _MOST = 1e-4, 1.0
"""Ends of the colours; less is as good, more failed."""
_FACTS = {
    "model": "model",
    "runtime": "runtime",
    "used": "of the tolerance",
    "error": "worst error",
    "tolerance": "tolerance",
    "output": "output",
    "batch": "at batch",
    "verdict": "verdict",
}


def parity_chart(result: BenchResult, legend: Legend, number: int) -> Chart:
    """Return a field for each model and runtime of one result that was compared."""
    worst: dict[tuple[str, str], Row] = {}
    for row in result.rows:
        if row.parity is None:
            continue
        known = worst.get((row.bundle, runtime_name(row)))
        if known is None or _badness(row) > _badness(known):
            worst[row.bundle, runtime_name(row)] = row
    rows = list(worst.values())
    if not rows:
        return Chart(id=f"parity-{number}", title=TITLE, caption="", reason=_REASON)
    values = [{**_facts(row), "depth": _depth(row), "good": _passed(row)} for row in rows]
    outputs = [row.parity.output for row in rows if row.parity]
    titles = list(_FACTS.values())
    return Chart(
        id=f"parity-{number}",
        title=TITLE,
        caption=CAPTION,
        spec=plot(
            values,
            [*names_of(rows), *outputs],
            _spec(rows, legend),
            f"{TITLE}. {CAPTION}.",
        ),
        table=Sheet(
            title=TITLE,
            head=(*titles[:2], *(f">{title}" for title in titles[2:5]), *titles[5:]),
            lines=tuple(
                (row.bundle, runtime_name(row), *list(_facts(row).values())[2:]) for row in rows
            ),
        ),
    )


def _passed(row: Row) -> bool:
    return row.parity is not None and row.parity.passed


def _badness(row: Row) -> tuple[bool, float]:
    return not _passed(row), row.parity.used_share if row.parity else 0.0


def _depth(row: Row) -> float:
    """Return the share of the tolerance between the ends of the colours."""
    used = row.parity.used_share if row.parity else 0.0
    return min(max(used, _LEAST), _MOST) if math.isfinite(used) else _MOST


def _facts(row: Row) -> dict[str, str]:
    parity = row.parity
    assert parity is not None
    known = parity.max_abs is not None and math.isfinite(parity.used_share)
    return {
        "model": short_name(row.bundle),
        "runtime": short_name(runtime_name(row)),
        "used": percent(parity.used_share) if known else "–",
        "error": f.magnitude(parity.max_abs),
        "tolerance": f.magnitude(parity.tolerance),
        "output": short_name(parity.output),
        "batch": f.whole(row.batch),
        "verdict": "passed" if parity.passed else "FAILED",
    }


def _spec(rows: list[Row], legend: Legend) -> Spec:
    models = [name for name in legend.models if name in {row.bundle for row in rows}]
    ticks = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    depth: dict[str, Any] = {
        "field": "depth",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [_LEAST, _MOST], "range": ["#EDF5FA", "#56B4E9"]},
        "legend": {
            "title": "of the tolerance",
            "orient": "top",
            "gradientLength": 200,
            **{key: v for key, v in tick_texts(ticks, percent).items() if key != "labelSeparation"},
        },
    }
    return {
        "height": height_of(runtimes_of(rows), ["a field"], 26),
        "encoding": {
            "x": {
                "field": "model",
                "type": "nominal",
                "title": None,
                "sort": list(map(short_name, models)),
                "axis": {"labelAngle": 0, "orient": "top"},
            },
            "y": {**rows_axis("runtime", runtimes_of(rows)), "scale": {"padding": 0}},
            "tooltip": tooltip(_FACTS),
        },
        "layer": [
            {
                "mark": {"type": "rect", "stroke": "#8C8C8C", "strokeWidth": 1},
                "encoding": {
                    "color": {"condition": {"test": "!datum.good", "value": "#B04A00"}, **depth}
                },
            },
            {
                "mark": {"type": "text", "fontSize": 12},
                "encoding": {
                    "text": {"field": "used", "type": "nominal"},
                    "color": {
                        "condition": {"test": "!datum.good", "value": "#FFFFFF"},
                        "value": "#1F2328",
                    },
                },
            },
        ],
    }
