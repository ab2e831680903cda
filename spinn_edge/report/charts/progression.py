"""Pruning, round by round: parameters and validation loss."""

from __future__ import annotations

from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.axes import linear_ticks, tick_texts
from spinn_edge.report.charts.chart import Chart, Spec
from spinn_edge.report.charts.legend import Legend
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.charts.specs import stacked, tooltip
from spinn_edge.report.comparison_words import percent
from spinn_edge.report.pruning import audit_sheet

TITLE = "Pruning, round by round"
CAPTION = (
    "Parameters after each round (round 0: before pruning), and the validation loss after its "
    "fine-tuning, less is better; the loss before pruning is not on record"
)
NO_BUNDLE = "no bundle was given, and rounds are in its manifest; name one with --bundle DIR"
_NOT_PRUNED = "not pruned: the bundle's manifest records no round"


def progression_chart(bundle: Bundle, legend: Legend, number: int) -> Chart:
    """Return the rounds of one bundle."""
    audit = bundle.manifest.pruning
    chart_id, title = f"pruning-{number}", f"{TITLE}: {short_name(bundle.name)}"
    if audit is None or not audit.rounds:
        return Chart(id=chart_id, title=title, caption="", reason=_NOT_PRUNED)
    values = [{**value, "model": short_name(bundle.name)} for value in _rounds(audit)]
    spec = _panels(values, {**legend.colour([bundle.name]), "legend": None})
    return Chart(
        id=chart_id,
        title=title,
        caption=CAPTION,
        spec=stacked(values, [bundle.name], spec, f"{TITLE}. {CAPTION}."),
        table=audit_sheet(audit),
    )


def _rounds(audit: PruningAudit) -> list[dict[str, Any]]:
    before = {
        "round": 0,
        "count": audit.parameters_before,
        "loss": None,
        "parameters": f.whole(audit.parameters_before),
        "score": f.NOT_MEASURED,
        "gone": percent(0),
    }
    return [
        before,
        *(
            {
                "round": number,
                "count": item.parameters,
                "loss": item.score,
                "parameters": f.whole(item.parameters),
                "score": f.magnitude(item.score),
                "gone": percent(item.achieved),
            }
            for number, item in enumerate(audit.rounds, start=1)
        ),
    ]


def _panels(values: list[dict[str, Any]], colour: Spec) -> list[Spec]:
    rounds = [value["round"] for value in values]
    facts = {
        "model": "model",
        "round": "round",
        "parameters": "parameters",
        "gone": "gone",
        "score": "validation loss",
    }
    x = {
        "field": "round",
        "type": "quantitative",
        "title": "round",
        "scale": {"domain": [min(rounds), max(rounds)], "nice": False, "padding": 48},
        "axis": {"values": rounds, "format": "d", "grid": False},
    }
    mark = {"type": "line", "point": {"size": 70}}
    text = {"type": "text", "align": "left", "dx": 6, "dy": -10}
    ticks = linear_ticks(0, max(value["count"] for value in values), about=4)
    parameters = {
        "field": "count",
        "type": "quantitative",
        "title": "parameters",
        "scale": {"zero": True},
        "axis": tick_texts(ticks, lambda count: f.whole(round(count))),
    }
    losses = _loss_ticks(values) or [0.0]
    loss = {
        "field": "loss",
        "type": "quantitative",
        "title": "validation loss",
        "scale": {"domain": [min(losses), max(losses)], "padding": 14},
        "axis": tick_texts(losses, f.magnitude),
    }
    return [
        _panel(x, parameters, "parameters", facts, mark, text, colour),
        *(
            [_panel(x, loss, "score", facts, mark, text, colour)]
            * any(v["loss"] is not None for v in values)
        ),
    ]


def _loss_ticks(values: list[dict[str, Any]]) -> list[float]:
    losses = [value["loss"] for value in values if value["loss"] is not None]
    if not losses:
        return []
    margin = max(max(losses) - min(losses), abs(max(losses)) / 100) / 2
    return linear_ticks(min(losses) - margin, max(losses) + margin, about=8)


def _panel(
    x: Spec, y: Spec, label: str, facts: dict[str, str], mark: Spec, text: Spec, colour: Spec
) -> Spec:
    return {
        "height": 120,
        "transform": [{"filter": f"isValid(datum.{y['field']})"}],
        "encoding": {"x": x, "y": y, "tooltip": tooltip(facts)},
        "layer": [
            {"mark": mark, "encoding": {"color": colour}},
            {"mark": text, "encoding": {"text": {"field": label, "type": "nominal"}}},
        ],
    }
