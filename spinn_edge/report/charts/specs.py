"""Parts that several specifications share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spinn_edge.report.charts.chart import Spec
from spinn_edge.report.charts.names import short_name

WIDTH = 640
"""Pixels of the plot before the page says how wide it is."""

SHOWN = "shown"
"""The field, and the choice, of which rows are seen at once."""


def plot(
    values: Sequence[Mapping[str, Any]], names: Iterable[str], spec: Spec, description: str
) -> Spec:
    """Return a whole specification of one plot, or of layers, that fills its place.

    Args:
        values: the data.
        names: all names in it, whole; those that were cut for the axes go into the tooltips.
        spec: marks or layers, channels and height.
        description: for who cannot see it.
    """
    return {
        **_frame(values, names, spec, description),
        "width": WIDTH,
        "autosize": {"type": "fit-x", "contains": "padding"},
    }


def facets(
    values: Sequence[Mapping[str, Any]],
    names: Iterable[str],
    spec: Spec,
    description: str,
    *,
    looked_up: Sequence[Mapping[str, Any]],
    field: str,
    order: Sequence[str],
) -> Spec:
    """Return a specification of small plots below each other, one for each value of a field.

    Args:
        values: the data.
        names: as for :func:`plot`.
        spec: of one of them, without its width.
        description: for who cannot see it.
        looked_up: more fields, by a key of the data's.
        field: whose values each get a plot.
        order: of its values.
    """
    header = {"title": None, "labelAnchor": "start", "labelLimit": 400, "labelFontWeight": 600}
    frame = _frame(values, names, {}, description, looked_up)
    frame["usermeta"] = {**frame["usermeta"], "sized": "inside"}
    top: Spec = {key: spec.pop(key) for key in ("transform", "params") if key in spec}
    return {
        **frame,
        **top,
        "facet": {"field": field, "type": "nominal", "header": header, "sort": list(order)},
        "columns": 1,
        "spacing": 14,
        "spec": {"width": WIDTH, **spec},
    }


def stacked(
    values: Sequence[Mapping[str, Any]], names: Iterable[str], parts: list[Spec], description: str
) -> Spec:
    """Return a specification of plots below each other, each with a vertical axis of its own.

    Args:
        values: the data of all.
        names: as for :func:`plot`.
        parts: each without its width.
        description: for who cannot see it.
    """
    frame = _frame(values, names, {}, description)
    frame["usermeta"] = {**frame["usermeta"], "sized": "inside"}
    return {**frame, "vconcat": [{"width": WIDTH, **part} for part in parts], "spacing": 14}


def choice(shown: Iterable[str]) -> Spec:
    """Return what lets the reader choose between rows that are not comparable; nothing for one."""
    options = list(dict.fromkeys(shown))
    if len(options) < 2:
        return {}
    bind = {"input": "select", "options": options, "name": "Shown: "}
    return {
        "params": [{"name": SHOWN, "value": options[0], "bind": bind}],
        "transform": [{"filter": f"datum.{SHOWN} === {SHOWN}"}],
    }


def seen_at_once(values: Iterable[Mapping[str, Any]], *fields: str) -> list[list[float]]:
    """Return the numbers in these fields, those of each choice together."""
    groups: dict[str, list[float]] = {}
    for value in values:
        held = [value[field] for field in fields if value[field] is not None]
        groups.setdefault(value[SHOWN], []).extend(held)
    return list(groups.values())


def tooltip(titles: Mapping[str, str]) -> list[Spec]:
    """Return a tooltip of texts: titles by field."""
    return [{"field": key, "type": "nominal", "title": title} for key, title in titles.items()]


def only(**values: str) -> list[Spec]:
    """Return the transform that keeps the rows with these texts."""
    return [{"filter": {"field": key, "equal": value}} for key, value in values.items()]


def rows_axis(field: str, order: Sequence[str]) -> Spec:
    """Return a channel with one line for each name, in this order."""
    return {
        "field": field,
        "type": "nominal",
        "title": None,
        "sort": list(map(short_name, order)),
        "axis": {"grid": True, "tickBand": "extent"},
        "scale": {"paddingInner": 0.25, "paddingOuter": 0.1},
    }


def height_of(lines: Sequence[str], beside_each_other: Sequence[str], pixels: int) -> int:
    """Return the height of a plot whose lines hold several marks each.

    Args:
        lines: names of the lines.
        beside_each_other: names of the marks in each.
        pixels: of a mark.
    """
    return max(60, pixels * len(set(lines)) * len(set(beside_each_other)) + 8 * len(set(lines)))


def beside(field: str, order: Sequence[str]) -> Spec:
    """Return the channel that sets the names of one line beside each other, in this order."""
    return {"field": field, "type": "nominal", "sort": list(map(short_name, order))}


def _frame(
    values: Sequence[Mapping[str, Any]],
    names: Iterable[str],
    spec: Spec,
    description: str,
    looked_up: Sequence[Mapping[str, Any]] = (),
) -> Spec:
    held = {
        text for value in (*values, *looked_up) for text in value.values() if isinstance(text, str)
    }
    cut = {short_name(name): name for name in names if short_name(name) != name}
    return {
        "description": description,
        "background": None,
        "data": {"values": list(values)},
        "usermeta": {"names": {short: name for short, name in cut.items() if short in held}},
        **spec,
    }
