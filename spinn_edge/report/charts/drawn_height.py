"""How tall a chart will be once it is drawn, so that its place can be kept before.

The pixels are those of Vega's axes and legends in the fonts of ``themes.py``, as measured on drawn
charts; a test compares them with what is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from spinn_edge.report.charts.chart import Spec

NARROW = 520
"""Pixels of width below which ``charts.js`` sets legends below each other, in two columns."""

_PADDING = 10
_AXIS, _AXIS_TITLE = 19, 18
_LABEL_ABOVE = 3
"""By which a vertical axis's highest label stands above each of several plots."""
_FACET, _FACETS = 33, 37
"""Header and axis of each of many small plots, and what the last one has more."""
_LEGEND_OFFSET, _LEGEND_ROW, _LEGEND_GAP = 10, 18, 4
_GRADIENT = 56
_COLUMNS, _NARROW_COLUMNS = 4, 2
_CHOICE, _NARROW_CHOICE = 41, 65
"""A list to choose from, in the fonts of the page; below its title where it is narrow."""
_COLOURED = ("color", "fill", "stroke", "shape", "strokeDash")


def drawn_height(spec: Mapping[str, Any], *, narrow: bool = False) -> int:
    """Return the height of a drawn specification with its axes, legends and choices, pixels.

    Args:
        spec: as :mod:`specs` makes them.
        narrow: whether its place is less than ``NARROW`` wide; there, labels that take the plot's
            width make the result less exact.
    """
    choice = _NARROW_CHOICE if narrow else _CHOICE
    choices = choice * len(spec.get("params", ()))
    return _PADDING + _plots(spec) + _legends(spec, narrow=narrow) + choices


def _plots(spec: Mapping[str, Any]) -> int:
    if "vconcat" in spec:
        parts = [_plot(part) + _LABEL_ABOVE for part in spec["vconcat"]]
        return sum(parts) + int(spec["spacing"]) * (len(parts) - 1)
    if "facet" in spec:
        count = len(_facet_values(spec))
        each = int(spec["spec"]["height"]) + _FACET
        return count * each + (count - 1) * int(spec["spacing"]) + _FACETS
    return _plot(spec)


def _plot(spec: Mapping[str, Any]) -> int:
    titles = [x.get("title") for x in _channels(spec, ("x",))]
    height: int = spec["height"]
    return height + _AXIS + (_AXIS_TITLE if any(titles) else 0)


def _facet_values(spec: Mapping[str, Any]) -> set[str]:
    """Return the values that get a plot while the first choice is made."""
    lookups = [step["from"] for step in spec.get("transform", ()) if "lookup" in step]
    rows = lookups[0]["data"]["values"] if lookups else spec["data"]["values"]
    chosen = {param["name"]: param["value"] for param in spec.get("params", ())}
    field = spec["facet"]["field"]
    return {row[field] for row in rows if all(row[name] == value for name, value in chosen.items())}


def _legends(spec: Mapping[str, Any], *, narrow: bool) -> int:
    """Return the height of what stands above the plot: legends beside each other, or stacked."""
    heights: dict[str, int] = {}
    for channel in _channels(spec, _COLOURED):
        legend = channel.get("legend")
        if legend is None:
            continue
        if channel["type"] == "quantitative":
            heights[channel["field"]] = _GRADIENT
            continue
        entries = legend.get("values") or channel["scale"]["domain"]
        columns = legend.get("columns") or (_NARROW_COLUMNS if narrow else _COLUMNS)
        heights[channel["field"]] = _LEGEND_ROW * math.ceil(len(entries) / columns)
    if not heights:
        return 0
    gaps = _LEGEND_GAP * (len(heights) - 1)
    return _LEGEND_OFFSET + (sum(heights.values()) + gaps if narrow else max(heights.values()))


def _channels(spec: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Spec]:
    """Yield these channels of a plot and of its layers."""
    for part in (spec, *spec.get("layer", ()), *spec.get("vconcat", ())):
        held = part.get("encoding", {})
        yield from (held[name] for name in names if "field" in held.get(name, ()))
        if part is not spec:
            yield from _channels({"layer": part.get("layer", ())}, names)
    if "spec" in spec:
        yield from _channels(spec["spec"], names)
