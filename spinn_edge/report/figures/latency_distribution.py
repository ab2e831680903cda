"""Every run of every row: the distribution of latencies with its tail and its modes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from spinn_edge.bench.measurement import Row
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array
from spinn_edge.report import formatting as f
from spinn_edge.report.figures.lettering import labels
from spinn_edge.report.figures.rows import batches_of, name_of, timed_rows
from spinn_edge.report.figures.scales import log_axis, tick_seconds
from spinn_edge.report.figures.sketch import Drawing, NotDrawn, Sketch, stem
from spinn_edge.report.figures.style import (
    DOUBLE_IN,
    EXTRA,
    MOST_MARKS,
    SINGLE_IN,
    SMALL_PT,
    TALLEST_IN,
    Mark,
    line_key,
    mark,
    new_figure,
    remark,
)
from spinn_edge.report.sources import NamedResult, ReportSources

NAME = "latency-distribution"
_COLUMNS = 2
_TALLEST_IN = TALLEST_IN - 0.9
MOST_BUNDLES = 4
_SHARES = (0.5, 0.99, 0.999, 0.9999, 0.9, 0.01, 0.1, 0.99999, 0.999999)
"""That have a tick where there is room, the most wanted first."""
_AXES_PT, _TICK_PT = 66.0, 8.5
"""Height of a panel's axes and of a tick's label, points."""


def draw_distributions(sources: ReportSources) -> Iterator[Drawing]:
    """Draw each result: a panel for each runtime, batch size and boundary."""
    for named in sources.results:
        part = named.name if len(sources.results) > 1 else ""
        rows = timed_rows(named.result)
        if not rows:
            yield NotDrawn(name=stem(NAME, part), reason=f"nothing of {named.name} was timed")
        pages = list(_pages(rows))
        for number, panels in enumerate(pages, 1):
            page = str(number) if len(pages) > 1 else ""
            yield Sketch(name=stem(NAME, part, page), figure=distribution_figure(named, panels))


def distribution_figure(named: NamedResult, panels: Sequence[Sequence[Row]]) -> Any:
    """Return empirical distribution functions, each panel on a time axis of its own.

    Args:
        named: the result; its bundles keep their colours on all pages.
        panels: rows that differ in their bundle alone.
    """
    every = [row for panel in panels for row in panel]
    columns = min(_COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    width = DOUBLE_IN if columns > 1 else SINGLE_IN
    figure = new_figure(width, (0.8 if columns > 1 else 1.4) + lines * _height(panels))
    grid = figure.subplots(lines, columns, squeeze=False)
    shown = [one.name for one in named.result.bundles if one.name in {r.bundle for r in every}]
    numbers = {one.name: number for number, one in enumerate(named.result.bundles)}
    names = labels(shown, 12)
    boundaries = len({row.boundary for row in timed_rows(named.result)}) > 1
    for place, axes in enumerate(grid.flat):
        if place >= len(panels):
            axes.set_axis_off()
            continue
        panel = panels[place]
        _draw_panel(axes, panel, names, numbers)
        words = f"{name_of(panel[0], named.result.rows)}, batch {panel[0].batch:,}"
        words += f", {panel[0].boundary}" if boundaries else ""
        title = labels([words], 40)[words]
        axes.set_title("\n".join([title, *_figures(panel, names)]), fontsize=SMALL_PT)
        if place % columns == 0:
            axes.set_ylabel("runs at or below")
        if place + columns >= len(panels):
            axes.set_xlabel("latency (log)")
    full = labels(shown, 40)
    line_key(figure, [mark(numbers[one]) for one in shown], [full[one] for one in shown])
    remark(
        figure,
        f"{named.machine}. Every run is drawn, the slowest too; marks: p50, p99 and p99.9 where "
        "ten runs or more lie beyond; hollow, on the axis below its curve: a speed that stands "
        "apart. Each panel has its own time axis.",
    )
    return figure


def _draw_panel(
    axes: Any, panel: Sequence[Row], names: dict[str, str], numbers: dict[str, int]
) -> None:
    for row in panel:
        look = mark(numbers[row.bundle])
        ordered = np.sort(np.asarray(row.samples_s, np.float64))
        shares = (np.arange(len(ordered)) + 0.5) / len(ordered)
        positive = np.maximum(ordered, 1e-12)
        axes.plot(positive, shares, color=look.colour, ls=look.line, drawstyle="steps-post")
        for value, share in ((row.median_s, 0.5), (row.p99_s, 0.99), (row.p999_s, 0.999)):
            if value is not None:
                axes.plot(value, share, look.marker, color=look.colour, mec="white", mew=0.5)
        for mode in row.modes if len(row.modes) > 1 else ():
            # down from its own curve, so that those of two models do not look like one's
            share = float(np.searchsorted(ordered, mode.at_s)) / len(ordered)
            axes.plot([mode.at_s] * 2, [0.0, share], color=look.colour, lw=0.7, ls=":", zorder=1)
            axes.plot(mode.at_s, 0.0, **_at_the_axis(look, axes))
    samples = [max(one, 1e-12) for row in panel for one in (min(row.samples_s), max(row.samples_s))]
    room = max((max(samples) / min(samples)) ** 0.04, 1.01)
    low, high = min(samples) / room, max(samples) * room
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    log_axis(axes.xaxis, low, high, tick_seconds, most=4)
    most = max(len(row.samples_s) for row in panel)
    _share_axis(axes, most)
    axes.grid(axis="both")


def _at_the_axis(look: Mark, axes: Any) -> dict[str, Any]:
    """Return how a model's marker looks on the axis of time, hollow, whatever the shares' scale."""
    return {
        "marker": look.marker,
        "color": look.colour,
        "mfc": "white",
        "mew": 0.7,
        "ms": 3.0,
        "transform": axes.get_xaxis_transform(),
        "clip_on": False,
        "zorder": 4,
    }


def _share_axis(axes: Any, most: int) -> None:
    """Spread the slow end, so that 99 % and 99.9 % are as far apart as 90 % and 99 %.

    The fast end is spread half as much: it is drawn too, but few read it.
    """
    ticker = require("matplotlib.ticker", extra=EXTRA)
    axes.set_yscale("function", functions=(_spread, _unspread))
    edge = min(0.25 / most, 0.005)
    axes.set_ylim(edge, 1 - edge)
    pt_a_decade = _AXES_PT / float(np.ptp(_spread(np.array([edge, 1 - edge]))))
    chosen: list[float] = []
    for share in (one for one in _SHARES if edge < one < 1 - edge):
        apart = [abs(float(_spread(np.array([share, other])) @ (1, -1))) for other in chosen]
        if min(apart, default=math.inf) * pt_a_decade >= _TICK_PT:
            chosen.append(share)
    axes.yaxis.set_major_locator(ticker.FixedLocator(sorted(chosen)))
    axes.yaxis.set_major_formatter(lambda value, place: f"{100 * value:.6g} %")
    axes.yaxis.set_minor_locator(ticker.NullLocator())


def _spread(shares: Array) -> Array:
    """Return decimal logits, those of the faster half halved."""
    inner = np.clip(shares, 1e-12, 1 - 1e-12)
    logits = np.log10(inner / (1 - inner))
    return np.asarray(np.where(logits < 0, logits / 2, logits))


def _unspread(values: Array) -> Array:
    logits = np.where(values < 0, 2 * values, values)
    return np.asarray(1 / (1 + 10.0**-logits))


def _figures(panel: Sequence[Row], names: dict[str, str]) -> Iterator[str]:
    """Return ``dense: p50 148 µs, p99 259 µs`` for each row; only tails that are stated."""
    for row in panel:
        words = f"{names[row.bundle]}: p50 {f.seconds(row.median_s)}"
        tails = [("p99", row.p99_s), ("p99.9", row.p999_s)]
        words += "".join(f", {name} {f.seconds(value)}" for name, value in tails if value)
        yield words


def _height(panels: Sequence[Sequence[Row]]) -> float:
    return 1.4 + 0.12 * max(map(len, panels))


def _pages(rows: Sequence[Row]) -> Iterator[list[list[Row]]]:
    """Return panels, as many together as a page holds."""
    panels = list(_panels(rows))
    if panels:
        step = _COLUMNS * max(1, int(_TALLEST_IN / _height(panels)))
        yield from (panels[start : start + step] for start in range(0, len(panels), step))


def _panels(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Return the rows of each batch size and runtime, bundles together."""
    most = min(MOST_BUNDLES, MOST_MARKS)
    for batch in batches_of(rows):
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            if row.batch == batch:
                groups.setdefault((name_of(row, rows), row.boundary), []).append(row)
        for group in groups.values():
            yield from (group[start : start + most] for start in range(0, len(group), most))
