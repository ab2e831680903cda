"""Latency by runtime, models beside each other, with intervals over launches."""

from __future__ import annotations

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report.charts.axes import seconds_axis
from spinn_edge.report.charts.chart import Chart
from spinn_edge.report.charts.legend import Legend
from spinn_edge.report.charts.specs import (
    beside,
    choice,
    height_of,
    plot,
    rows_axis,
    seen_at_once,
    tooltip,
)
from spinn_edge.report.charts.timed_rows import (
    FACTS,
    NOTHING_TIMED,
    facts_of,
    facts_sheet,
    models_of,
    names_of,
    runtimes_of,
    timed_rows,
)

TITLE = "Latency by runtime"
CAPTION = (
    "Dot: median; thick line: 95 % interval over launches (none with fewer than three); thin line: "
    "from the fastest sample to p99, or to p90 where p99 is not known"
)


def latency_chart(result: BenchResult, legend: Legend, number: int) -> Chart:
    """Return medians, intervals and tails of one result's rows."""
    rows = timed_rows(result)
    if not rows:
        return Chart(id=f"latency-{number}", title=TITLE, caption="", reason=NOTHING_TIMED)
    facts = facts_of(rows)
    values = [{**held, **_figures(row)} for held, row in zip(facts, rows, strict=True)]
    ends = (s for value in values for s in (value["fastest_s"], value["tail_s"]))
    seen = seen_at_once(values, "fastest_s", "tail_s")
    x = seconds_axis("latency", [s for s in ends if isinstance(s, float)], seen)
    runtimes, models = runtimes_of(rows), models_of(rows)
    spec = {
        **choice(held["shown"] for held in facts),
        "height": height_of(runtimes, models, 18),
        "encoding": {
            "y": rows_axis("runtime", runtimes),
            "yOffset": beside("model", models),
            "color": legend.colour(models),
            "tooltip": tooltip(FACTS),
        },
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 1, "opacity": 0.7},
                "encoding": {"x": {"field": "fastest_s", **x}, "x2": {"field": "tail_s"}},
            },
            {
                "transform": [{"filter": "isValid(datum.low_s)"}],
                "mark": {"type": "rule", "strokeWidth": 5, "opacity": 0.6},
                "encoding": {"x": {"field": "low_s", **x}, "x2": {"field": "high_s"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {"x": {"field": "median_s", **x}},
            },
        ],
    }
    return Chart(
        id=f"latency-{number}",
        title=TITLE,
        caption=CAPTION,
        spec=plot(values, names_of(rows), spec, f"{TITLE}. {CAPTION}."),
        table=facts_sheet(TITLE, rows, facts),
    )


def _figures(row: Row) -> dict[str, float | None]:
    between = row.median_interval_s
    tail_s = row.p99_s if row.p99_s is not None else row.p90_s
    return {
        "median_s": row.median_s,
        "low_s": between.low if between else None,
        "high_s": between.high if between else None,
        "fastest_s": min(row.samples_s),
        "tail_s": row.median_s if tail_s is None else tail_s,
    }
