"""Latency against score, and which choices no other beats in both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.measurement import Row
from spinn_edge.core.optional import require
from spinn_edge.report import formatting as f
from spinn_edge.report.figures.lettering import labels
from spinn_edge.report.figures.rows import batches_of, name_of, timed_rows
from spinn_edge.report.figures.scales import log_axis, padded, tick_seconds
from spinn_edge.report.figures.sketch import Drawing, NotDrawn, Sketch, stem
from spinn_edge.report.figures.style import (
    DOUBLE_IN,
    EXTRA,
    INK,
    MARKERS,
    SINGLE_IN,
    key,
    mark,
    new_figure,
    remark,
)
from spinn_edge.report.frontier import on_frontier
from spinn_edge.report.sources import NamedResult, ReportSources

NAME = "pareto"
_PANELS = 4
_COLUMNS = 2
_MOST_IN_ONE_COLUMN = 8
"""Models and runtimes of one panel whose legend leaves room for it in one column of a journal."""
_MOST_NAMED = 4
"""Points of the frontier that are named below a figure with one panel."""


def draw_paretos(sources: ReportSources) -> Iterator[Drawing]:
    """Draw each result whose bundles have scores, a panel for each batch size."""
    for named in sources.results:
        part = named.name if len(sources.results) > 1 else ""
        scores = scores_of(named)
        rows = [
            row
            for row in timed_rows(named.result)
            if row.boundary == HOST_TO_HOST and row.bundle in scores
        ]
        if not rows:
            yield NotDrawn(
                name=stem(NAME, part),
                reason=f"no bundle of {named.name} holds a score (R² overall); train or prune it "
                "with spinn-edge on labelled rows, then time it again",
            )
        batches = batches_of(rows)
        pages = [batches[start : start + _PANELS] for start in range(0, len(batches), _PANELS)]
        for number, some in enumerate(pages, 1):
            page = str(number) if len(pages) > 1 else ""
            chosen = [row for row in rows if row.batch in some]
            yield Sketch(name=stem(NAME, part, page), figure=pareto_figure(named, chosen))


def scores_of(named: NamedResult) -> dict[str, float]:
    """Return R² overall of each bundle that has one."""
    found = {one.name: one.scores for one in named.result.bundles}
    return {
        name: scores.r2_overall
        for name, scores in found.items()
        if scores is not None and scores.r2_overall is not None
    }


def pareto_figure(named: NamedResult, rows: Sequence[Row]) -> Any:
    """Return a panel for each batch size of ``rows``: colours are bundles, markers runtimes."""
    batches, scores = batches_of(rows), scores_of(named)
    columns = min(_COLUMNS, len(batches))
    lines = -(-len(batches) // columns)
    bundles = [one.name for one in named.result.bundles if one.name in {r.bundle for r in rows}]
    looks = {one.name: _look(n) for n, one in enumerate(named.result.bundles)}
    places = list(dict.fromkeys(name_of(row, rows) for row in rows))
    wide = columns > 1 or len(bundles) + len(places) > _MOST_IN_ONE_COLUMN
    figure = new_figure(DOUBLE_IN if wide else SINGLE_IN, 1.3 + 2.0 * lines)
    grid = figure.subplots(lines, columns, squeeze=False, sharey=True)
    markers = {place: MARKERS[n % len(MARKERS)] for n, place in enumerate(places)}
    words: list[str] = []
    for place, axes in enumerate(grid.flat):
        if place >= len(batches):
            axes.set_axis_off()
            continue
        here = [row for row in rows if row.batch == batches[place]]
        axes.set_title(f"Batch {batches[place]:,}")
        best = _draw_panel(axes, here, scores, looks, markers)
        words.append(_frontier_words(batches[place], best, scores))
        axes.set_xlabel("median latency (log)")
        if place % columns == 0:
            axes.set_ylabel("R² overall")
    _key(figure, bundles, looks, places, markers)
    remark(
        figure,
        f"{named.machine}. Ringed and joined: no other is faster and scores as high, by medians; "
        f"bars: 95 % intervals. {'. '.join(words)}.",
    )
    return figure


def _draw_panel(
    axes: Any,
    rows: Sequence[Row],
    scores: Mapping[str, float],
    looks: Mapping[str, Mapping[str, Any]],
    markers: Mapping[str, str],
) -> list[Row]:
    """Draw the points; return those of the frontier, fastest first."""
    points = [(row.median_s or 0.0, scores[row.bundle]) for row in rows]
    best = [row for row, on in zip(rows, on_frontier(points), strict=True) if on]
    best.sort(key=lambda row: row.median_s or 0.0)
    line = [(row.median_s, scores[row.bundle]) for row in best]
    axes.step([x for x, _ in line], [y for _, y in line], where="post", color=INK, lw=0.8)
    axes.plot([x for x, _ in line], [y for _, y in line], "o", ms=9, mfc="none", mec=INK, mew=0.8)
    for row, (latency, score) in zip(rows, points, strict=True):
        look = looks[row.bundle]
        if (between := row.median_interval_s) is not None:
            axes.plot([between.low, between.high], [score, score], color=look["color"], lw=1.0)
        marker = markers[_place(row, markers)]
        axes.plot(latency, score, marker, ms=5, **look)
    low, high = padded([latency for latency, _ in points], 1.25)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    log_axis(axes.xaxis, low, high, tick_seconds)
    axes.margins(y=0.25)
    axes.locator_params(axis="y", nbins=5)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.5g}")
    axes.grid()
    return best


def _look(number: int) -> dict[str, Any]:
    """Return how points of a bundle look: a colour, and a filling that shows without it."""
    fillings = ("full", "none", "left", "top", "right", "bottom")
    return {
        "color": mark(number).colour,
        "fillstyle": fillings[number % len(fillings)],
        "markerfacecoloralt": "white",
        "mew": 0.8,
    }


def _place(row: Row, markers: Mapping[str, str]) -> str:
    name = f.served(row.runtime, row.served_by)
    return name if name in markers else f"{name} {row.precision}"


def _frontier_words(batch: int, best: Sequence[Row], scores: Mapping[str, float]) -> str:
    bundles = labels([row.bundle for row in best], 20)
    named = [
        f"{bundles[row.bundle]} on {f.served(row.runtime, row.served_by)}, "
        f"{f.seconds(row.median_s)}, R² {f.score(scores[row.bundle])}"
        for row in best[:_MOST_NAMED]
    ]
    more = f" and {len(best) - _MOST_NAMED} more" if len(best) > _MOST_NAMED else ""
    return f"Batch {batch:,}: {'; '.join(named)}{more}"


def _key(
    figure: Any,
    bundles: Sequence[str],
    looks: Mapping[str, Mapping[str, Any]],
    places: Sequence[str],
    markers: Mapping[str, str],
) -> None:
    line = require("matplotlib.lines", extra=EXTRA).Line2D
    handles = [line([], [], marker="s", ls="none", ms=7, **looks[name]) for name in bundles]
    handles += [line([], [], color=INK, marker=markers[one], linestyle="none") for one in places]
    names = [*labels(bundles, 26).values(), *labels(places, 26).values()]
    key(figure, handles, names)
