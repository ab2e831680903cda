"""What a reader would see of a drawn figure: its texts, where they lie, which cover each other."""

from __future__ import annotations

import itertools
from typing import Any
from weakref import WeakSet

from spinn_edge.core.optional import require
from spinn_edge.report.figures.drawing import DPI, lay_out

SLACK = 0.5 * DPI / 72
"""Pixels by which boxes of neighbouring texts may touch: half a point."""

_DRAWN: WeakSet[Any] = WeakSet()


def drawn(figure: Any) -> Any:
    """Lay a figure out as it is when it is written; what was is left."""
    if figure not in _DRAWN:
        lay_out(figure)
        figure.draw_without_rendering()
        _DRAWN.add(figure)
    return figure


def texts(figure: Any) -> list[Any]:
    """Return every text that shows."""
    drawn(figure)
    text = require("matplotlib.text", extra="report").Text
    hidden = _hidden(figure)
    return [
        one
        for one in figure.findobj(text)
        if one.get_text().strip() and one.get_visible() and id(one) not in hidden
    ]


def words(figure: Any) -> list[str]:
    """Return what they say."""
    return [one.get_text() for one in texts(figure)]


def all_words(figure: Any) -> str:
    """Return all they say, the lines of one text joined."""
    return "\n".join(" ".join(one.split()) for one in words(figure))


def overlaps(figure: Any) -> list[tuple[str, str]]:
    """Return pairs of texts that cover each other."""
    boxes = [(one.get_text(), one.get_window_extent()) for one in texts(figure)]
    return [
        (first, second)
        for (first, a), (second, b) in itertools.combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > SLACK and min(a.y1, b.y1) - max(a.y0, b.y0) > SLACK
    ]


def outside(figure: Any) -> list[str]:
    """Return texts that the edge of the figure cuts."""
    found = texts(figure)
    width, height = figure.get_size_inches() * DPI
    return [
        one.get_text()
        for one in found
        if (box := one.get_window_extent()).x0 < -SLACK
        or box.y0 < -SLACK
        or box.x1 > width + SLACK
        or box.y1 > height + SLACK
    ]


def _hidden(figure: Any) -> set[int]:
    """Return texts that are there and not drawn: ticks beyond an axis, and axes that are off."""
    found: set[int] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            found |= {id(label) for tick in ticks for label in (tick.label1, tick.label2)}
            if axes.axison:
                found -= {id(tick.label1) for tick in axis._update_ticks()}
            else:
                found.add(id(axis.label))
    return found
