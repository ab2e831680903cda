"""How every figure looks: sizes of a journal's columns, letters, colours, hatches and markers."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from spinn_edge.core.optional import require
from spinn_edge.report.colours import COLOURS
from spinn_edge.report.figures.lettering import width_of

EXTRA = "report"
SINGLE_IN, DOUBLE_IN = 3.5, 7.2
"""Widths of one column and of two, inches: what a journal prints without scaling the letters.

Source: Nature, "Final artwork" guide: 89 mm and 183 mm; IEEE Transactions: 3.5 in and 7.16 in.
"""
TALLEST_IN = 9.5
"""Of a page, with room for a caption."""
TEXT_PT, SMALL_PT = 8.0, 7.0
"""Letters; the smaller ones are the smallest that a figure has."""

INK, PALE, GRID = "#222222", "#BBBBBB", "#E6E6E6"
HALO = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
"""Behind a number that a line may cross."""

_HATCHES = ("", "////", "....", "xxxx", "----", "oo")
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*", "<", ">", "p", "h")
_LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))

_SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so a figure is alike everywhere
    "font.size": TEXT_PT,
    "axes.titlesize": TEXT_PT,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # nothing stands between; a search for it asks each tick for its place
    "axes.labelsize": TEXT_PT,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": SMALL_PT,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.0,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,  # a $ in a name is a dollar sign
    "svg.fonttype": "none",  # text stays text: found by a search, changed by an editor
    "svg.hashsalt": "spinn-edge",  # the same figure gives the same ids
    "figure.facecolor": "white",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How one series is told from the others, with colours and without.

    Attributes:
        colour: of its lines and areas.
        hatch: of its areas.
        marker: of its points.
        line: style of its lines.
    """

    colour: str
    hatch: str
    marker: str
    line: Any

    def bar(self) -> dict[str, Any]:
        """Return what a bar of it is drawn with."""
        return {
            "facecolor": self.colour,
            "hatch": self.hatch,
            "edgecolor": "white" if self.hatch else self.colour,
            "linewidth": 0.0,
        }


def mark(number: int) -> Mark:
    """Return how the series of this number looks; after the last, they begin again."""
    return Mark(
        colour=COLOURS[number % len(COLOURS)],
        hatch=_HATCHES[number % len(_HATCHES)],
        marker=MARKERS[number % len(MARKERS)],
        line=_LINES[number % len(_LINES)],
    )


MOST_MARKS = len(COLOURS)


@contextmanager
def drawing_style() -> Iterator[None]:
    """Draw in this style inside the block, whatever the caller's own is; then restore that.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    with require("matplotlib.style", extra=EXTRA).context(["default", _SETTINGS]):
        yield


def new_figure(width_in: float, height_in: float) -> Any:
    """Return an empty figure without a window, whose parts make room for each other.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure = require("matplotlib.figure", extra=EXTRA).Figure(
        figsize=(width_in, min(height_in, TALLEST_IN)), layout="constrained"
    )
    require("matplotlib.backends.backend_agg", extra=EXTRA).FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.05, wspace=0.03, hspace=0.04)
    return figure


def key(
    figure: Any, handles: list[Any], names: list[str], place: str = "outside upper left"
) -> None:
    """Put a legend beside all panels, in as many columns as the width has room for."""
    letters = max(map(width_of, names)) + 6
    room = int(figure.get_figwidth() * 72 / (0.6 * SMALL_PT * letters))
    columns = max(1, min(len(names), room))
    _grow(figure, 1.4 * SMALL_PT * (math.ceil(len(names) / columns) - 1))
    figure.legend(
        handles,
        names,
        loc=place,
        ncols=columns,
        borderpad=0.1,
        columnspacing=1.2,
        handlelength=2.2,
    )


def bar_key(figure: Any, marks: list[Mark], names: list[str]) -> None:
    """Put a legend of areas above all panels."""
    patch = require("matplotlib.patches", extra=EXTRA).Patch
    key(figure, [patch(**one.bar()) for one in marks], names)


def line_key(figure: Any, marks: list[Mark], names: list[str], *, lines: bool = True) -> None:
    """Put a legend of lines with their points, or of points alone, above all panels."""
    line = require("matplotlib.lines", extra=EXTRA).Line2D
    handles = [
        line([], [], color=m.colour, marker=m.marker, linestyle=m.line if lines else "none")
        for m in marks
    ]
    key(figure, handles, names)


def remark(figure: Any, words: str) -> None:
    """Say below all panels, in small letters, what must be known to read them."""
    letters = int(figure.get_figwidth() * 72 / (0.56 * SMALL_PT))
    lines = textwrap.wrap(words, letters)
    _grow(figure, 1.25 * SMALL_PT * (len(lines) - 2))
    figure.supxlabel("\n".join(lines), fontsize=SMALL_PT, x=0.01, ha="left")


def _grow(figure: Any, more_pt: float) -> None:
    """Make room for further lines of a legend or a remark; the panels keep theirs."""
    height = figure.get_figheight() + max(0.0, more_pt) / 72
    figure.set_figheight(min(height, TALLEST_IN))
