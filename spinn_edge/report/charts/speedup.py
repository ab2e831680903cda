"""How many times faster than the baseline, with intervals and the noise floor."""

from __future__ import annotations

from typing import Any

from spinn_edge.bench.evidence.intervals import FASTER, SLOWER
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.axes import log_axis
from spinn_edge.report.charts.chart import Chart, Spec
from spinn_edge.report.charts.legend import Legend
from spinn_edge.report.charts.specs import (
    SHOWN,
    beside,
    choice,
    height_of,
    plot,
    rows_axis,
    seen_at_once,
    tooltip,
)
from spinn_edge.report.charts.timed_rows import (
    NAMES,
    facts_sheet,
    models_of,
    namer,
    names_of,
    runtimes_of,
    timed_rows,
)
from spinn_edge.report.comparison_words import percent

TITLE = "Speed-up against the baseline"
CAPTION = (
    "Dot: geometric mean over pairs of launches; line: its 95 % interval; grey: the noise floor, "
    "by which launches of one thing differ among themselves. A hollow dot is no difference seen"
)
_REASON = (
    "not measured: no row has a baseline; measure with: spinn-edge bench MODEL --baseline DENSE"
)
_FACTS = {
    **NAMES,
    "speedup": "speed-up",
    "floor": "noise floor",
    "verdict": "verdict",
    "median": "median",
    "before": "baseline's median",
}


def speedup_chart(result: BenchResult, legend: Legend, number: int) -> Chart:
    """Return the speed-ups of one result's rows."""
    every = timed_rows(result)
    rows = [row for row in every if row.speedup is not None]
    if not rows:
        return Chart(id=f"speed-up-{number}", title=TITLE, caption="", reason=_REASON)
    names = namer(every)
    facts = [{**names(row), **_facts(row)} for row in rows]
    values = [{**held, **_figures(row)} for held, row in zip(facts, rows, strict=True)]
    spec = _spec(rows, legend, values)
    return Chart(
        id=f"speed-up-{number}",
        title=TITLE,
        caption=CAPTION,
        spec=plot(values, names_of(rows), spec, f"{TITLE}. {CAPTION}."),
        table=facts_sheet(TITLE, rows, facts, _FACTS),
    )


def _facts(row: Row) -> dict[str, str]:
    return {
        "speedup": f.speedup(row),
        "floor": "–" if row.noise_floor is None else percent(row.noise_floor),
        "verdict": row.verdict or f"{f.NOT_MEASURED}: too few launches",
        "median": f.seconds(row.median_s),
        "before": f.seconds(row.baseline_median_s),
    }


def _figures(row: Row) -> dict[str, float | bool | None]:
    between, floor = row.speedup_interval, row.noise_floor
    return {
        "times": row.speedup,
        "low": between.low if between else None,
        "high": between.high if between else None,
        "floor_low": None if floor is None else 1 / (1 + floor),
        "floor_high": None if floor is None else 1 + floor,
        "told": row.verdict in (FASTER, SLOWER),
    }


def _spec(rows: list[Row], legend: Legend, values: list[dict[str, Any]]) -> Spec:
    keys = ("times", "low", "high", "floor_low", "floor_high")
    drawn = [value[key] for value in values for key in keys if value[key] is not None]
    seen = [[*group, 1.0] for group in seen_at_once(values, *keys)]
    x = log_axis("times faster than the baseline", [*drawn, 1.0], f.ratio, seen)
    y = {
        "y": rows_axis("runtime", runtimes_of(rows)),
        "yOffset": beside("model", models_of(rows)),
        "tooltip": tooltip(_FACTS),
    }
    colour = legend.colour(models_of(rows))
    return {
        **choice(value[SHOWN] for value in values),
        "height": height_of(runtimes_of(rows), models_of(rows), 24),
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.floor_low)"}],
                "mark": {"type": "bar", "color": "#8C8C8C", "opacity": 0.35},
                "encoding": {
                    **y,
                    "x": {"field": "floor_low", **x},
                    "x2": {"field": "floor_high"},
                },
            },
            {
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": "#8C8C8C"},
                "encoding": {"x": {"datum": 1, **x}},
            },
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 3, "opacity": 0.7},
                "encoding": {
                    **y,
                    "x": {"field": "low", **x},
                    "x2": {"field": "high"},
                    "stroke": colour,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "strokeWidth": 2},
                "encoding": {
                    **y,
                    "x": {"field": "times", **x},
                    "stroke": colour,
                    "fill": colour,
                    "fillOpacity": {"condition": {"test": "datum.told", "value": 1}, "value": 0},
                },
            },
        ],
    }
