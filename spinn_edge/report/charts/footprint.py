"""What a runtime costs before and beside its latency: steps of its start, and memory."""

from __future__ import annotations

from typing import Any

from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.axes import linear_ticks, seconds_axis, tick_texts
from spinn_edge.report.charts.chart import Chart
from spinn_edge.report.charts.legend import Legend
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.charts.specs import beside, height_of, plot, rows_axis, tooltip
from spinn_edge.report.footprints import FootprintLine, footprint_lines, footprint_sheet

START_TITLE = "Start of a process, step by step"
START_CAPTION = (
    "Median over launches: importing the runtime's library, loading the model's file, the first "
    "inference with all that is done once"
)
MEMORY_TITLE = "Memory of a process"
MEMORY_CAPTION = (
    "Resident, Python and numpy included. Bar: when the model was loaded, median over launches; "
    "line: the most it ever held"
)
_REASON = "not measured: no process was watched; measure with: spinn-edge bench MODEL"
_STEPS = {"import": "import_s", "load": "load_s", "first inference": "first_inference_s"}


def start_chart(result: BenchResult, legend: Legend, number: int) -> Chart:
    """Return the steps of the start of each runtime of one result."""
    lines = footprint_lines(result.rows)
    values = [
        {**_names(line), "shown": step, "s": value, "time": f.seconds(value)}
        for step, field in _STEPS.items()
        for line in lines
        if (value := getattr(line, field)) is not None
    ]
    chart_id = f"start-{number}"
    if not values:
        return Chart(id=chart_id, title=START_TITLE, caption="", reason=_REASON)
    x = {"field": "s", **seconds_axis("time", [value["s"] for value in values])}
    shapes = {"domain": list(_STEPS), "range": ["circle", "square", "triangle-up"]}
    spec = {
        "height": _height(lines, 18),
        "encoding": {
            "y": rows_axis("runtime", [line.runtime for line in lines]),
            "yOffset": beside("model", [line.bundle for line in lines]),
            "color": legend.colour(line.bundle for line in lines),
            "x": x,
            "tooltip": tooltip(
                {"model": "model", "runtime": "runtime", "shown": "step", "time": "time"}
            ),
        },
        "layer": [
            {
                "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.6},
                "encoding": {"detail": {"field": "runtime", "type": "nominal"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
                "encoding": {
                    "shape": {
                        "field": "shown",
                        "type": "nominal",
                        "scale": shapes,
                        "legend": {"title": None, "orient": "top"},
                    }
                },
            },
        ],
    }
    return Chart(
        id=chart_id,
        title=START_TITLE,
        caption=START_CAPTION,
        spec=plot(values, _full(lines), spec, f"{START_TITLE}. {START_CAPTION}."),
        table=footprint_sheet(result.rows),
    )


def memory_chart(result: BenchResult, legend: Legend, number: int) -> Chart:
    """Return the resident memory of each runtime of one result."""
    lines = [
        line
        for line in footprint_lines(result.rows)
        if line.resident_after_load_bytes is not None or line.peak_resident_bytes is not None
    ]
    chart_id = f"memory-{number}"
    if not lines:
        return Chart(id=chart_id, title=MEMORY_TITLE, caption="", reason=_REASON)
    values: list[dict[str, Any]] = [
        {
            **_names(line),
            "loaded_bytes": line.resident_after_load_bytes,
            "peak_bytes": line.peak_resident_bytes,
            "loaded": f.size(line.resident_after_load_bytes),
            "peak": f.size(line.peak_resident_bytes),
        }
        for line in lines
    ]
    held = [value[key] for value in values for key in ("loaded_bytes", "peak_bytes")]
    most = max(count for count in held if count is not None)
    x = {
        "type": "quantitative",
        "title": "resident memory",
        "axis": tick_texts(linear_ticks(0, 1.1 * most), lambda count: f.size(round(count))),
    }
    spec = {
        "height": _height(lines, 16),
        "encoding": {
            "y": rows_axis("runtime", [line.runtime for line in lines]),
            "yOffset": beside("model", [line.bundle for line in lines]),
            "color": legend.colour(line.bundle for line in lines),
            "tooltip": tooltip(
                {
                    "model": "model",
                    "runtime": "runtime",
                    "loaded": "after load",
                    "peak": "peak",
                }
            ),
        },
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.loaded_bytes)"}],
                "mark": {"type": "bar", "opacity": 0.75},
                "encoding": {"x": {"field": "loaded_bytes", **x}},
            },
            {
                "transform": [{"filter": "isValid(datum.peak_bytes)"}],
                "mark": {"type": "tick", "thickness": 3, "opacity": 1},
                "encoding": {"x": {"field": "peak_bytes", **x}},
            },
        ],
    }
    return Chart(
        id=chart_id,
        title=MEMORY_TITLE,
        caption=MEMORY_CAPTION,
        spec=plot(values, _full(lines), spec, f"{MEMORY_TITLE}. {MEMORY_CAPTION}."),
        table=footprint_sheet(result.rows),
    )


def _names(line: FootprintLine) -> dict[str, Any]:
    return {"model": short_name(line.bundle), "runtime": short_name(line.runtime)}


def _full(lines: list[FootprintLine]) -> list[str]:
    return list(dict.fromkeys(name for line in lines for name in (line.bundle, line.runtime)))


def _height(lines: list[FootprintLine], pixels: int) -> int:
    runtimes = [line.runtime for line in lines]
    return height_of(runtimes, [line.bundle for line in lines], pixels)
