"""The widths of a network as bars: SVG inside the page, with its words beside it."""

from __future__ import annotations

from collections.abc import Sequence

from spinn_edge.core.words import dashed
from spinn_edge.report.page.markup import Html, tag

_TALLEST, _BAR, _GAP, _LABEL = 120.0, 42.0, 22.0, 18.0
"""Pixels: height of the widest layer, width of a bar, space between bars, height of a number."""


def widths_picture(
    widths: Sequence[int], before: Sequence[int], name: str, colours: tuple[str, str]
) -> Html:
    """Return a bar for each layer, as tall as it is wide; behind it the outline of before.

    Args:
        widths: of the network; empty where they are not known.
        before: of the baseline, which shares the scale; of another depth for no outline.
        name: of the network.
        colours: that it has in every chart, on light and on dark pages.
    """
    if not widths:
        return tag("p", "No picture: its widths are not known.", class_="note")
    outline = before if len(before) == len(widths) and tuple(before) != tuple(widths) else ()
    widest = max([*widths, *before])
    right = len(widths) * (_BAR + _GAP) - _GAP
    bars = [
        _layer(number, widths, outline[number] if outline else None, widest)
        for number in range(len(widths))
    ]
    words = f"Widths of {name}: {dashed(widths)}"
    words += f"; dashed outline: {dashed(before)} of the baseline" if outline else ""
    return tag(
        "figure",
        tag(
            "svg",
            *(part for bar in bars for part in bar),
            viewBox=f"-12 0 {right + 24:g} {_TALLEST + 2 * _LABEL:g}",
            role="img",
            aria_label=words,
            class_="widths",
            style=f"--on-light: {colours[0]}; --on-dark: {colours[1]}",
        ),
        tag("figcaption", words),
    )


def _layer(number: int, widths: Sequence[int], before: int | None, widest: int) -> tuple[Html, ...]:
    left = number * (_BAR + _GAP)
    bottom = _LABEL + _TALLEST
    height = _height(widths[number], widest)
    line = Html("")
    if number + 1 < len(widths):
        line = tag(
            "line",
            x1=f"{left + _BAR + 4:g}",
            x2=f"{left + _BAR + _GAP - 4:g}",
            y1=f"{bottom - 2:g}",
            y2=f"{bottom - 2:g}",
            class_="flow",
        )
    return (
        _bar(left, bottom, height, "bar"),
        Html("") if before is None else _bar(left, bottom, _height(before, widest), "outline"),
        line,
        tag(
            "text",
            f"{widths[number]:,}",
            x=f"{left + _BAR / 2:g}",
            y=f"{bottom - height - 5:g}",
            text_anchor="middle",
        ),
        tag(
            "text",
            "in" if number == 0 else "out" if number + 1 == len(widths) else str(number),
            x=f"{left + _BAR / 2:g}",
            y=f"{bottom + 13:g}",
            text_anchor="middle",
            class_="axis",
        ),
    )


def _bar(left: float, bottom: float, height: float, kind: str) -> Html:
    return tag(
        "rect",
        x=f"{left:g}",
        y=f"{bottom - height:g}",
        width=f"{_BAR:g}",
        height=f"{height:g}",
        rx="2",
        class_=kind,
    )


def _height(width: int, widest: int) -> float:
    return max(3.0, _TALLEST * width / widest)  # a layer of one neuron is still seen
