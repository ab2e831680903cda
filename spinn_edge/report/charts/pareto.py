"""Latency against score: which way of running which model nothing beats on both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.core.manifest import PRECISIONS
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.axes import linear_ticks, seconds_axis, tick_texts
from spinn_edge.report.charts.chart import Chart, Spec
from spinn_edge.report.charts.legend import Legend
from spinn_edge.report.charts.specs import SHOWN, choice, only, plot, seen_at_once, tooltip
from spinn_edge.report.charts.timed_rows import (
    NAMES,
    facts_sheet,
    models_of,
    namer,
    names_of,
    runtimes_of,
    timed_rows,
)
from spinn_edge.report.frontier import on_frontier

TITLE = "Latency against score"
CAPTION = (
    "Up and to the left is better. The line joins what no other point beats in both latency and "
    "R²: by medians, so points whose intervals overlap may change places. R² is the model's own "
    f"in {PRECISIONS[0]}; rows of other precisions are left out, their score was not measured"
)
_FACTS = {
    **NAMES,
    "median": "median",
    "interval": "95 % interval",
    "score": "R², overall",
    "frontier": "on the frontier",
}


def pareto_chart(result: BenchResult, legend: Legend, number: int) -> Chart:
    """Return the rows of one result whose bundle has a score, and the frontier among them."""
    scores, reason = comparable_scores(result)
    every = timed_rows(result)
    rows = [row for row in every if row.bundle in scores and row.precision == PRECISIONS[0]]
    if not rows and not reason:
        reason = f"not measured: no row in {PRECISIONS[0]} of a model with a score was timed"
    if reason:
        return Chart(id=f"pareto-{number}", title=TITLE, caption="", reason=reason)
    best = set(map(id, _on_frontier(rows, scores)))
    names = namer(every)
    facts = [{**names(row), **_facts(row, scores, id(row) in best)} for row in rows]
    values = [
        {
            **held,
            "median_s": row.median_s,
            "r2": scores[row.bundle],
            "best": id(row) in best,
        }
        for held, row in zip(facts, rows, strict=True)
    ]
    return Chart(
        id=f"pareto-{number}",
        title=TITLE,
        caption=CAPTION,
        spec=plot(values, names_of(rows), _spec(rows, legend, values), f"{TITLE}. {CAPTION}."),
        table=facts_sheet(TITLE, rows, facts, _FACTS),
    )


def comparable_scores(result: BenchResult) -> tuple[dict[str, float], str]:
    """Return the overall R² by bundle, and why there is none; empty where there are some.

    Scores on other rows are no scores of the same task.
    """
    known = [facts for facts in result.bundles if facts.scores is not None]
    scores = {
        facts.name: facts.scores.r2_overall
        for facts in known
        if facts.scores is not None and facts.scores.r2_overall is not None
    }
    if not scores:
        return {}, (
            "not measured: no model has a score; train it, or score it, with labelled rows: "
            "spinn-edge train --help"
        )
    sources = {facts.scores.source for facts in known if facts.scores is not None}
    if len(sources) > 1:
        return (
            {},
            "not comparable: the models were scored on different rows; score them on the same",
        )
    return scores, ""


def _on_frontier(rows: Sequence[Row], scores: Mapping[str, float]) -> list[Row]:
    """Return the rows that no other of the same batch and boundary beats."""
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.batch, row.boundary), []).append(row)
    return [
        row
        for group in groups.values()
        for row, on_it in zip(
            group,
            on_frontier([(row.median_s or 0.0, scores[row.bundle]) for row in group]),
            strict=True,
        )
        if on_it
    ]


def _facts(row: Row, scores: Mapping[str, float], unbeaten: bool) -> dict[str, str]:
    return {
        "median": f.seconds(row.median_s),
        "interval": f.span(row.median_interval_s, f.seconds),
        "score": f.score(scores[row.bundle]),
        "frontier": "yes" if unbeaten else "no",
    }


def _score_ticks(scores: list[float]) -> list[float]:
    """Return ticks around the scores; two that differ by little still have some between."""
    low, high = min(scores), max(scores)
    margin = max(high - low, 1e-3) / 2
    return linear_ticks(low - margin, high + margin, about=8)


def _spec(rows: list[Row], legend: Legend, values: list[dict[str, Any]]) -> Spec:
    medians_s = [value["median_s"] for value in values]
    axis = seconds_axis("median latency", medians_s, seen_at_once(values, "median_s"))
    ticks = _score_ticks([value["r2"] for value in values])
    x = {"field": "median_s", **axis}
    y = {
        "field": "r2",
        "type": "quantitative",
        "title": "R², overall",
        "scale": {"domain": [ticks[0], ticks[-1]], "padding": 24},
        "axis": tick_texts(ticks, f.score),
    }
    return {
        **choice(value[SHOWN] for value in values),
        "height": 280,
        "encoding": {"x": x, "y": y},
        "layer": [
            {
                "transform": only(frontier="yes"),
                "mark": {"type": "line", "interpolate": "step-after", "strokeDash": [5, 4]},
                "encoding": {"order": {"field": "median_s"}, "color": {"value": "#8C8C8C"}},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 120, "opacity": 0.95},
                "encoding": {
                    "color": legend.colour(models_of(rows)),
                    "shape": legend.shape(runtimes_of(rows)),
                    "tooltip": tooltip(_FACTS),
                },
            },
            {
                "transform": only(frontier="yes"),
                "mark": {"type": "text", "align": "left", "dx": 11, "dy": -9, "limit": 160},
                "encoding": {"text": {"field": "runtime", "type": "nominal"}},
            },
        ],
    }
