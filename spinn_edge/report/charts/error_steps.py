"""The error waterfall: what each step from the trained network adds."""

from __future__ import annotations

from typing import Any

from spinn_edge.accuracy.divergence.waterfall import OutputError, Waterfall, WaterfallStep
from spinn_edge.core.decode import decode
from spinn_edge.report.charts.axes import log_axis
from spinn_edge.report.charts.chart import Chart, Spec
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.charts.specs import height_of, plot, rows_axis, tooltip
from spinn_edge.report.sheet import Sheet
from spinn_edge.report.sources import NamedDocument
from spinn_edge.report.waterfall import MOST_OUTPUTS, percent

TITLE = "Error waterfall"
CAPTION = (
    "Largest difference over the output's scale, on a logarithmic axis. Filled: to the form "
    "before, what the step adds; hollow: to {reference}, all steps together. A difference of "
    "exactly 0 has no place on the axis; it is in the table"
)
REASON = "not measured: measure with: spinn-edge waterfall MODEL --dense DENSE --json FILE"
_MODELS_COLOURS = ("", " ")
"""Take the first two colours, so that an output does not look like the dense or pruned model."""
_KINDS = {"contribution": "this step", "total": "all steps"}
_FACTS = {
    "form": "form",
    "step": "step",
    "after": "after",
    "output": "output",
    "kind": "difference of",
    "share": "over the scale",
}


def error_steps_chart(document: NamedDocument, number: int) -> Chart:
    """Return the differences of one waterfall.

    Raises:
        BundleError: the document is damaged.
    """
    waterfall = decode(Waterfall, document.raw, where=document.name)
    title = f"{TITLE}, {waterfall.rows} samples"
    values = [
        _value(step, error, kind)
        for step in waterfall.steps
        for kind in _KINDS
        for error in _shown(getattr(step, kind))
    ]
    table = _sheet(waterfall, title)
    drawn = [value for value in values if value["size"] > 0]
    if not drawn:
        reason = "nothing to draw: no form that ran differs from the reference"
        return Chart(id=f"waterfall-{number}", title=title, caption="", table=table, reason=reason)
    names = [waterfall.reference, *waterfall.outputs]
    names += [name for step in waterfall.steps for name in (step.name, step.step)]
    caption = CAPTION.format(reference=short_name(waterfall.reference))
    return Chart(
        id=f"waterfall-{number}",
        title=title,
        caption=caption,
        spec=plot(drawn, names, _spec(waterfall, drawn), f"{title}. {caption}."),
        table=table,
    )


def _shown(errors: tuple[OutputError, ...]) -> tuple[OutputError, ...]:
    """Return a line for each output; of more than a few, the worst stands for all."""
    if len(errors) <= MOST_OUTPUTS:
        return errors
    return (max(errors, key=lambda error: error.max_share),)


def _value(step: WaterfallStep, error: OutputError, kind: str) -> dict[str, Any]:
    return {
        "form": short_name(step.name),
        "step": short_name(step.step),
        "after": short_name(step.after),
        "output": short_name(error.output),
        "kind": _KINDS[kind],
        "size": error.max_share,
        "share": percent(error.max_share),
    }


def _sheet(waterfall: Waterfall, title: str) -> Sheet:
    lines: list[tuple[str, ...]] = []
    for step in waterfall.steps:
        totals = {error.output: error for error in step.total}
        for error in _shown(step.contribution):
            total = totals.get(error.output)
            lines.append(
                (
                    *(step.name, step.step, step.after, error.output),
                    *(percent(error.max_share), percent(total.max_share) if total else "–"),
                )
            )
        if step.reason is not None:
            reason = " ".join(step.reason.split())
            lines.append((step.name, step.step, step.after, f"not run: {reason}", "–", "–"))
    return Sheet(
        title=title,
        head=("form", "step", "after", "output", ">this step", ">all steps"),
        lines=tuple(lines),
        caption=f"shares of the output's scale; {waterfall.source}",
    )


def _spec(waterfall: Waterfall, drawn: list[dict[str, Any]]) -> Spec:
    outputs = list(dict.fromkeys(value["output"] for value in drawn))
    x = log_axis("difference over the scale", [v["size"] for v in drawn], percent)
    shown = {value["form"] for value in drawn}
    forms = [step.name for step in waterfall.steps if short_name(step.name) in shown]
    return {
        "height": height_of(forms, outputs, 16),
        "encoding": {
            "y": rows_axis("form", forms),
            "yOffset": {"field": "output", "type": "nominal", "sort": outputs},
            "x": {"field": "size", **x},
            "color": {
                "field": "output",
                "type": "nominal",
                "scale": {"domain": [*_MODELS_COLOURS, *outputs], "range": "category"},
                "legend": {"title": None, "orient": "top", "values": outputs},
            },
            "tooltip": tooltip(_FACTS),
        },
        "layer": [
            {
                "transform": [{"filter": {"field": "kind", "equal": "all steps"}}],
                "mark": {"type": "point", "shape": "diamond", "size": 130, "strokeWidth": 1.5},
            },
            {
                "transform": [{"filter": {"field": "kind", "equal": "this step"}}],
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
            },
        ],
    }
