"""How latencies are distributed: modes and tails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.axes import seconds_axis, tick_texts
from spinn_edge.report.charts.chart import Chart, Spec
from spinn_edge.report.charts.legend import Legend
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.charts.specs import choice, facets, only, tooltip
from spinn_edge.report.charts.themes import HALO
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
from spinn_edge.report.comparison_words import percent

TITLE = "Latency distribution"
CAPTION = (
    "Share of the inferences that were at least this fast, every sample counted, the slowest too; "
    "marked are the median, p99 and p99.9 where enough samples lie beyond them, and the slowest. "
    "Where a distribution has separate speeds each is named"
)
MOST_POINTS, FEWER_POINTS, MANY_ROWS = 60, 24, 60
"""Steps of a curve below its tail; fewer where a report holds many rows."""
_LINE, _LOWEST, _HIGHEST = 0.16, 0.06, 0.84
"""Shares of a plot's height: of a line of text, and between which labels stand; the flat end of a
curve lies above them."""
_TAIL = (0.99, 0.995, 0.999, 0.9995, 0.9999)
_MARKS = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "slowest": 1.0}


def distribution_chart(result: BenchResult, legend: Legend, number: int) -> Chart:
    """Return curves of one result's rows, a plot for each runtime."""
    rows = timed_rows(result)
    chart = Chart(id=f"latency-distribution-{number}", title=TITLE, caption=CAPTION)
    if not rows:
        return Chart(id=chart.id, title=TITLE, caption="", reason=NOTHING_TIMED)
    most = MOST_POINTS if len(rows) <= MANY_ROWS else FEWER_POINTS
    points = [
        {"row": place, **point}
        for place, row in enumerate(rows)
        for point in (*curve(row, most), *_marks(row))
    ]
    facts = facts_of(rows)
    points += _modes(rows, facts)
    looked_up = [{"row": place, **held} for place, held in enumerate(facts)]
    spec = facets(
        points,
        names_of(rows),
        _layers(rows, legend, looked_up, [point["s"] for point in points]),
        f"{TITLE}. {CAPTION}.",
        looked_up=looked_up,
        field="runtime",
        order=list(map(short_name, runtimes_of(rows))),
    )
    return Chart(
        id=chart.id,
        title=TITLE,
        caption=CAPTION,
        spec=spec,
        table=facts_sheet(TITLE, rows, facts),
    )


def curve(row: Row, most: int) -> list[dict[str, Any]]:
    """Return points of the empirical distribution: real samples, with the whole tail's end.

    Args:
        row: with samples.
        most: points below the tail.
    """
    ordered = sorted(row.samples_s)
    last = len(ordered) - 1
    shares = [step / (most - 1) for step in range(most)] + list(_TAIL)
    places = range(last + 1) if last < most else sorted({round(share * last) for share in shares})
    return [
        {"kind": "curve", "s": ordered[place], "share": round((place + 1) / (last + 1), 6)}
        for place in places
    ]


def _marks(row: Row) -> list[dict[str, Any]]:
    found = (row.median_s, row.p99_s, row.p999_s, max(row.samples_s))
    return [
        {"kind": "mark", "mark": name, "s": value, "share": share, "at": f.seconds(value)}
        for (name, share), value in zip(_MARKS.items(), found, strict=True)
        if value is not None
    ]


def _modes(rows: Sequence[Row], facts: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return a label for each speed, beside the middle of its part of the curve.

    Labels of one plot keep a line's distance, of whichever model they are.
    """
    labels: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        below = 0.0
        for mode in row.modes if len(row.modes) > 1 else ():
            middle, below = below + mode.share / 2, below + mode.share
            text = f"{percent(mode.share)} near {f.seconds(mode.at_s)}"
            labels.append(
                {"row": number, "kind": "mode", "s": mode.at_s, "share": middle, "at": text}
            )
    plots: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for label in labels:
        held = facts[label["row"]]
        plots.setdefault((held["runtime"], held["shown"]), []).append(label)
    for together in plots.values():
        together.sort(key=lambda label: -label["share"])
        places = apart([label["share"] for label in together])
        for label, place in zip(together, places, strict=True):
            label["share"] = place
    return labels


def apart(shares: Sequence[float]) -> list[float]:
    """Return places near the shares, a line of text between each two, inside the plot.

    Args:
        shares: descending.
    """
    line = min(_LINE, (_HIGHEST - _LOWEST) / max(1, len(shares) - 1))
    places: list[float] = []
    for share in shares:
        highest = places[-1] - line if places else _HIGHEST
        places.append(min(share, highest))
    lowest = _LOWEST
    for number in reversed(range(len(places))):
        places[number] = max(places[number], lowest)
        lowest = places[number] + line
    return [round(place, 6) for place in places]


def _layers(
    rows: Sequence[Row], legend: Legend, facts: list[dict[str, Any]], drawn_s: Sequence[float]
) -> Spec:
    x = {"field": "s", **seconds_axis("latency", drawn_s)}
    y = {
        "field": "share",
        "type": "quantitative",
        "title": "share of inferences",
        "scale": {"domain": [0, 1]},
        "axis": tick_texts([0, 0.25, 0.5, 0.75, 1], percent),
    }
    shapes = {"domain": list(_MARKS), "range": ["circle", "triangle-up", "diamond", "cross"]}
    fields = [key for key in FACTS if key in facts[0]]
    looked_up = {"data": {"values": facts}, "key": "row", "fields": fields}
    chosen = choice(held["shown"] for held in facts)
    every = tooltip(FACTS)
    label = {"type": "text", "align": "left", "dx": 8, "fontSize": 11}
    words = {"text": {"field": "at", "type": "nominal"}}
    return {
        **chosen,
        "transform": [{"lookup": "row", "from": looked_up}, *chosen.get("transform", [])],
        "height": 110,
        "encoding": {"x": x, "y": y, "color": legend.colour(models_of(rows))},
        "layer": [
            {
                "transform": only(kind="curve"),
                "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 2},
                "encoding": {"detail": {"field": "row", "type": "nominal"}, "tooltip": every},
            },
            {
                "transform": only(kind="mark"),
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {
                    "shape": {
                        "field": "mark",
                        "type": "nominal",
                        "scale": shapes,
                        "legend": {"title": None, "orient": "top"},
                    },
                    "tooltip": tooltip({"mark": "mark", "at": "latency"}) + every,
                },
            },
            {
                "transform": only(kind="mode"),
                "mark": {**label, "style": HALO},
                "encoding": {**words, "color": {"value": "transparent"}},  # no place in the legend
            },
            {
                "transform": only(kind="mode"),
                "mark": label,
                "encoding": {**words, "tooltip": tooltip({"at": "speed"}) + every},
            },
        ],
    }
