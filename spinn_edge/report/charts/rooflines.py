"""Rooflines: what was reached of the best rates that the machine showed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spinn_edge.bench.understanding.ceilings import Ceilings
from spinn_edge.bench.understanding.roofline import Roofline, RooflineRow
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.axes import log_axis
from spinn_edge.report.charts.chart import Chart, Spec
from spinn_edge.report.charts.legend import Legend
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.charts.specs import only, plot, tooltip
from spinn_edge.report.comparison_words import percent
from spinn_edge.report.roofline import bytes_per_s, flops_per_s, read_roofline, roofline_sheet
from spinn_edge.report.sources import NamedDocument

TITLE = "Roofline"
CAPTION = (
    "Lines: the most FLOPs a second that this machine's best product of matrices and its best "
    "copies allow at each arithmetic intensity. Dots: what was reached; the line above a dot leads "
    "to its own limit, with copies of its own working set"
)
REASON = "not measured: measure with: spinn-edge explain MODEL --json FILE"
_FACTS = {
    "model": "model",
    "runtime": "runtime",
    "batch": "batch",
    "latency": "latency",
    "limit": "limit",
    "reached": "reached",
    "intensity": "FLOPs a byte",
    "rate": "rate",
    "bound": "bound by",
}


def roofline_chart(document: NamedDocument, legend: Legend, number: int) -> Chart:
    """Return the roofline of one explanation.

    Raises:
        BundleError: the document is damaged.
    """
    chart_id = f"roofline-{number}"
    ceilings, rows = read_roofline(document.raw, document.name)
    held = [(row, row.roofline) for row in rows if row.roofline is not None]
    if not held or ceilings is None:
        reason = next((row.reason for row in rows if row.reason), REASON)
        return Chart(id=chart_id, title=TITLE, caption="", reason=reason)
    values = [
        *_roofs(ceilings, [one.intensity for _, one in held]),
        *(_reached(row, one) for row, one in held),
    ]
    names = [name for row in rows for name in (row.bundle, _runtime(row))]
    spec = _spec(rows, legend, values)
    return Chart(
        id=chart_id,
        title=TITLE,
        caption=CAPTION,
        spec=plot(values, names, spec, f"{TITLE}. {CAPTION}."),
        table=roofline_sheet(rows),
    )


def _runtime(row: RooflineRow) -> str:
    return f.runtime(row.runtime, row.served_by, row.precision)


def _roofs(ceilings: Ceilings, intensities: list[float]) -> list[dict[str, Any]]:
    """Return the corners of each roof: its slope, its ridge, and its flat part."""
    roofs = {
        "copies in memory": ceilings.memory_bytes_per_s,
        "copies of the working set": ceilings.cache_bytes_per_s,
    }
    ridges = [ceilings.flops_per_s / rate for rate in roofs.values()]
    left, right = min(*intensities, *ridges) / 4, max(*intensities, *ridges) * 4
    return [
        {
            "kind": "roof",
            "roof": f"{name}: {bytes_per_s(rate)}",
            "x": x,
            "y": min(ceilings.flops_per_s, x * rate),
            "rate": flops_per_s(min(ceilings.flops_per_s, x * rate)),
        }
        for (name, rate), ridge in zip(roofs.items(), ridges, strict=True)
        for x in (left, ridge, right)
    ]


def _reached(row: RooflineRow, roofline: Roofline) -> dict[str, Any]:
    reached = roofline.flops / roofline.latency_s
    return {
        "kind": "row",
        "model": short_name(row.bundle),
        "runtime": short_name(_runtime(row)),
        "batch": f.whole(row.batch),
        "label": f"batch {f.whole(row.batch)}",
        "latency": f.seconds(roofline.latency_s),
        "limit": f.seconds(roofline.attainable_s),
        "reached": percent(roofline.share),
        "intensity": f.magnitude(roofline.intensity),
        "rate": flops_per_s(reached),
        "bound": roofline.bound_by,
        "x": roofline.intensity,
        "y": reached,
        "limit_y": roofline.flops / roofline.attainable_s,
    }


def _spec(rows: Sequence[RooflineRow], legend: Legend, values: list[dict[str, Any]]) -> Spec:
    x = log_axis("FLOPs a byte", [v["x"] for v in values], f.magnitude)
    y = log_axis("FLOPs a second", [v["y"] for v in values], flops_per_s)
    roofs = list(dict.fromkeys(v["roof"] for v in values if v["kind"] == "roof"))
    return {
        "height": 300,
        "encoding": {"x": {"field": "x", **x}, "y": {"field": "y", **y}},
        "layer": [
            {
                "transform": only(kind="roof"),
                "mark": {"type": "line", "strokeWidth": 2, "color": "#8C8C8C"},
                "encoding": {
                    "strokeDash": {
                        "field": "roof",
                        "type": "nominal",
                        "scale": {"domain": roofs, "range": [[1, 0], [5, 4]]},
                        "legend": {"title": None, "orient": "top", "columns": 1},
                    },
                    "tooltip": tooltip({"roof": "limit", "rate": "rate"}),
                },
            },
            {
                "transform": only(kind="row"),
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {
                    "y2": {"field": "limit_y"},
                    "color": legend.colour(row.bundle for row in rows),
                },
            },
            {
                "transform": only(kind="row"),
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {
                    "color": legend.colour(row.bundle for row in rows),
                    "tooltip": tooltip(_FACTS),
                },
            },
            {
                "transform": only(kind="row"),
                "mark": {"type": "text", "dy": 16},
                "encoding": {"text": {"field": "label", "type": "nominal"}},
            },
        ],
    }
