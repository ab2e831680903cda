"""Bars of parameters, R² and latency, with reduction and speed-up written on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BundleFacts
from spinn_edge.report import formatting as f
from spinn_edge.report.figures.lettering import labels, lettered
from spinn_edge.report.figures.rows import batches_of, name_of, timed_rows
from spinn_edge.report.figures.scales import bar_axis, tick_seconds
from spinn_edge.report.figures.sketch import Drawing, NotDrawn, Sketch, stem
from spinn_edge.report.figures.style import (
    DOUBLE_IN,
    SMALL_PT,
    TALLEST_IN,
    bar_key,
    mark,
    new_figure,
    remark,
)
from spinn_edge.report.sources import NamedResult, ReportSources

NAME = "summary-bars"
MOST_BUNDLES, MOST_BARS = 4, 24
"""Of one panel: bundles, and bars of latency below each other."""
_MOST_OUTPUTS = 3
_EDGES_IN = 0.6
"""Height of the legend and the remark."""


def draw_summary_bars(sources: ReportSources) -> Iterator[Drawing]:
    """Draw each result: what was measured of its bundles."""
    for named in sources.results:
        part = named.name if len(sources.results) > 1 else ""
        rows = [row for row in timed_rows(named.result) if row.boundary == HOST_TO_HOST]
        if not rows:
            yield NotDrawn(
                name=stem(NAME, part),
                reason=f"no inference of {named.name} was timed from host to host",
            )
            continue
        room = TALLEST_IN - _EDGES_IN - _facts_height(named.result.bundles[: MOST_BUNDLES + 1])
        pages = list(_pages(rows, room))
        for number, panels in enumerate(pages, 1):
            page = str(number) if len(pages) > 1 else ""
            yield Sketch(name=stem(NAME, part, page), figure=bars_figure(named, panels))


def bars_figure(named: NamedResult, panels: Sequence[Sequence[Row]]) -> Any:
    """Return parameters and R² above, and below a panel of latencies for each batch size.

    Args:
        named: where the facts of the bundles are.
        panels: rows of one batch size each, host to host.
    """
    shown = {name for rows in panels for name in _bundles(rows)}
    facts = [one for one in named.result.bundles if one.name in shown]
    heights = [_height(rows) for rows in panels]
    facts_in = _facts_height(facts)
    figure = new_figure(DOUBLE_IN, facts_in + _EDGES_IN + sum(heights))
    top, *below = figure.subfigures(1 + len(panels), 1, height_ratios=(facts_in, *heights))
    _draw_facts(top, facts)
    for panel, rows in zip(below, panels, strict=True):
        here = [(n, one.name) for n, one in enumerate(facts) if one.name in _bundles(rows)]
        _draw_latencies(panel.subplots(), here, rows)
    names = labels([one.name for one in facts], 30)
    bar_key(figure, [mark(n) for n in range(len(facts))], [names[one.name] for one in facts])
    scored = [one.scores for one in facts if one.scores]
    words = f"{named.machine}. Latency: median of all runs, host to host; speed-up over the "
    words += "baseline with its 95 % interval, where the launches tell one."
    if scored:
        words += f" R²: {lettered(scored[0].source, 90)}."
    remark(figure, words)
    return figure


def _facts_height(facts: Sequence[BundleFacts]) -> float:
    """Return inches of the panels of parameters and R²."""
    outputs = {name for one in facts if one.scores for name in one.scores.r2}
    kinds = 1 + min(len(outputs), _MOST_OUTPUTS)
    return 0.65 + 0.08 * kinds + 0.15 * max(4, kinds * len(facts))


def _height(rows: Sequence[Row]) -> float:
    """Return inches of a panel of latencies."""
    places = {name_of(row, rows) for row in rows}
    return 0.6 + (0.15 * len(_bundles(rows)) + 0.09) * len(places)


def _bundles(rows: Sequence[Row]) -> set[str]:
    return {row.bundle for row in rows}


def _draw_facts(panel: Any, facts: Sequence[BundleFacts]) -> None:
    parameters, scores = panel.subplots(1, 2, width_ratios=(1, 1.5))
    _draw_parameters(parameters, facts)
    _draw_scores(scores, facts)


def _draw_parameters(axes: Any, facts: Sequence[BundleFacts]) -> None:
    axes.set_title("Parameters")
    if all(one.parameters is None for one in facts):
        say(axes, f"parameters: {f.NOT_MEASURED}")
        return
    first = facts[0].parameters
    for number, one in enumerate(facts):
        words = f.whole(one.parameters)
        if number and first and one.parameters is not None and facts[0].baseline:
            words += f"  {f.change(first, one.parameters)}"
        _bar(axes, -number, float(one.parameters or 0), number, words)
    most = max(one.parameters or 0 for one in facts)
    axes.set_xlim(0, 2.0 * most or 1.0)
    axes.set_yticks([])
    axes.set_ylim(0.6 - len(facts), 0.6)
    axes.set_xlabel("count")
    ends = [0, most]
    axes.set_xticks(ends, [f.whole(end) for end in ends] if most else ["0", ""])


def _draw_scores(axes: Any, facts: Sequence[BundleFacts]) -> None:
    axes.set_title("R²")
    found = [(number, one.scores) for number, one in enumerate(facts) if one.scores is not None]
    if not found:
        say(axes, f"R²: {f.NOT_MEASURED}; these bundles hold no scores")
        return
    outputs = list(dict.fromkeys(name for _, scores in found for name in scores.r2))[:_MOST_OUTPUTS]
    kinds = ["overall", *outputs] if len(outputs) > 1 else outputs
    names = labels(outputs, 20)
    place, ticks = 0.0, []
    for kind in kinds:
        start = place
        for number, scores in found:
            value = scores.r2_overall if kind == "overall" else scores.r2.get(kind)
            first = found[0][1]
            base = first.r2_overall if kind == "overall" else first.r2.get(kind)
            words = f.score(value)
            if number and facts[0].baseline and facts[0].scores is not None:
                words += f"  ({f.difference(base, value)})"
            _bar(axes, -place, max(0.0, value or 0.0), number, words)
            place += 1
        ticks.append((-(start + place - 1) / 2, "overall" if kind == "overall" else names[kind]))
        place += 0.5
    axes.set_yticks([at for at, _ in ticks], [words for _, words in ticks])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-place + 0.4, 0.6)
    axes.set_xlim(0, 1.65)
    axes.set_xticks([0, 0.5, 1])
    below = any(
        (one.r2_overall or 0) < 0 or min(filter(None, one.r2.values()), default=0) < 0
        for _, one in found
    )
    axes.set_xlabel("R² (below 0 there is no bar)" if below else "R²")


def _draw_latencies(axes: Any, bundles: Sequence[tuple[int, str]], rows: Sequence[Row]) -> None:
    places = list(dict.fromkeys(name_of(row, rows) for row in rows))
    held = {(name_of(row, rows), row.bundle): row for row in rows}
    names = labels(places, 34)
    at, ticks = 0.0, []
    for place in places:
        start = at
        for number, name in bundles:
            row = held.get((place, name))
            words = f.NOT_MEASURED if row is None else f.seconds(row.median_s)
            if row is not None and row.speedup is not None:
                words += f"  {f.speedup(row)}"
            _bar(axes, -at, 0.0 if row is None else row.median_s or 0.0, number, words)
            at += 1
        ticks.append((-(start + at - 1) / 2, names[place]))
        at += 0.6
    longest = max(row.median_s or 0.0 for row in rows)
    axes.set_title(f"Latency at batch {rows[0].batch:,}")
    axes.set_yticks([y for y, _ in ticks], [words for _, words in ticks])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-at + 0.5, 0.6)
    axes.set_xlim(0, 1.6 * longest)
    bar_axis(axes.xaxis, longest, tick_seconds)
    axes.set_xlabel("median latency")


def _bar(axes: Any, y: float, value: float, number: int, words: str) -> None:
    axes.barh(y, value, height=0.84, **mark(number).bar())
    axes.annotate(
        words,
        (value, y),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=SMALL_PT,
    )


def say(axes: Any, words: str) -> None:
    """Say in the place of a panel what was not measured."""
    axes.set_axis_off()
    axes.text(0.0, 0.6, words, transform=axes.transAxes, fontsize=SMALL_PT)


def _pages(rows: Sequence[Row], room_in: float) -> Iterator[list[list[Row]]]:
    """Return panels of one batch size each, as many together as a page holds."""
    page: list[list[Row]] = []
    for panel in _panels(rows):
        full = sum(map(_height, page)) + _height(panel) > room_in
        if page and (full or _bundles(page[0]) != _bundles(panel)):
            yield page
            page = []
        page.append(panel)
    yield page


def _panels(rows: Sequence[Row]) -> Iterator[list[Row]]:
    bundles = list(dict.fromkeys(row.bundle for row in rows))
    for first in range(0, len(bundles), MOST_BUNDLES):
        # what the others are compared with stands on every page
        chosen = dict.fromkeys([*bundles[:1], *bundles[first : first + MOST_BUNDLES]])
        for batch in batches_of(rows):
            some = [row for row in rows if row.batch == batch and row.bundle in chosen]
            places = list(dict.fromkeys(name_of(row, rows) for row in some))
            step = max(1, MOST_BARS // len(chosen))
            for start in range(0, len(places), step):
                part = places[start : start + step]
                yield [row for row in some if name_of(row, rows) in part]
