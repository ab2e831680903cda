"""Throughput against the batch, where sizes were swept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spinn_edge.bench.loops.saturation import Saturation, saturations
from spinn_edge.bench.measurement import Row
from spinn_edge.report import formatting as f
from spinn_edge.report.figures.lettering import labels
from spinn_edge.report.figures.rows import name_of, timed_rows
from spinn_edge.report.figures.scales import log_axis, padded
from spinn_edge.report.figures.sketch import Drawing, NotDrawn, Sketch, stem
from spinn_edge.report.figures.style import (
    DOUBLE_IN,
    INK,
    MOST_MARKS,
    SINGLE_IN,
    SMALL_PT,
    line_key,
    mark,
    new_figure,
    remark,
)
from spinn_edge.report.sources import NamedResult, ReportSources

NAME = "throughput"
_PANELS, _COLUMNS = 6, 2


def draw_throughputs(sources: ReportSources) -> Iterator[Drawing]:
    """Draw each result with a sweep, a panel for each runtime."""
    for named in sources.results:
        part = named.name if len(sources.results) > 1 else ""
        found = saturations(named.result.rows)
        panels = _panels(named, found)
        if not panels:
            yield NotDrawn(
                name=stem(NAME, part),
                reason=f"{named.name} holds no sweep of batch sizes; measure one with: spinn-edge "
                "bench MODEL --batch sweep --json FILE",
            )
        pages = [panels[start : start + _PANELS] for start in range(0, len(panels), _PANELS)]
        for number, some in enumerate(pages, 1):
            page = str(number) if len(pages) > 1 else ""
            figure = throughput_figure(named, some, found)
            yield Sketch(name=stem(NAME, part, page), figure=figure)


def throughput_figure(
    named: NamedResult, panels: Sequence[Sequence[Row]], knees: Sequence[Saturation]
) -> Any:
    """Return throughput of each bundle; a ring is where it saturates."""
    columns = min(_COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    figure = new_figure(DOUBLE_IN if columns > 1 else SINGLE_IN, 0.95 + 2.0 * lines)
    grid = figure.subplots(lines, columns, squeeze=False)
    every = {row.bundle for panel in panels for row in panel}
    numbers = {one.name: number for number, one in enumerate(named.result.bundles)}
    shown = [one.name for one in named.result.bundles if one.name in every]
    names = labels(shown, 18)
    for place, axes in enumerate(grid.flat):
        if place >= len(panels):
            axes.set_axis_off()
            continue
        panel = panels[place]
        title = name_of(panel[0], named.result.rows)
        words = [labels([title], 40)[title]]
        for name in [one for one in shown if one in {row.bundle for row in panel}]:
            own = [row for row in panel if row.bundle == name]
            knee = _knee(own, knees)
            _draw_line(axes, own, knee, numbers[name])
            if knee is not None:
                words.append(knee_words(names[name], knee))
        axes.set_title("\n".join(words), fontsize=SMALL_PT)
        _finish(axes, panel)
        if place % columns == 0:
            axes.set_ylabel("samples a second (log)")
        if place + columns >= len(panels):
            axes.set_xlabel("batch, samples in one inference (log)")
    full = labels(shown, 30)
    line_key(figure, [mark(numbers[one]) for one in shown], [full[one] for one in shown])
    remark(
        figure,
        f"{named.machine}. Inferences follow each other. Ringed: the smallest batch within 5 % of "
        "the best.",
    )
    return figure


def knee_words(name: str, knee: Saturation) -> str:
    """Return where a bundle's throughput stops growing."""
    verb = "saturates" if knee.saturated else "still grows"
    return f"{name}: {verb} at batch {knee.knee_batch:,}, {f.per_second(knee.knee_per_s)}"


def _draw_line(axes: Any, rows: Sequence[Row], knee: Saturation | None, number: int) -> None:
    look = mark(number)
    axes.plot(
        [row.batch for row in rows],
        [row.throughput_per_s for row in rows],
        color=look.colour,
        marker=look.marker,
        ls=look.line,
        ms=3.5,
    )
    if knee is not None:
        axes.plot(
            knee.knee_batch, knee.knee_per_s, "o", ms=9, mfc="none", mec=INK, mew=0.8, zorder=3
        )


def _finish(axes: Any, rows: Sequence[Row]) -> None:
    batches = sorted({row.batch for row in rows})
    low, high = padded([row.throughput_per_s or 1.0 for row in rows], 1.4)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    step = -(-len(batches) // 6)
    ticks = batches[::step]
    axes.set_xticks(ticks, [f"{batch:,}" for batch in ticks])
    axes.minorticks_off()
    log_axis(axes.yaxis, low, high, lambda value: f"{value:,.0f}", most=5)
    axes.grid()


def _panels(named: NamedResult, found: Sequence[Saturation]) -> list[list[Row]]:
    """Return the rows of each runtime that was swept, bundles together; few enough for marks."""
    swept = {(one.bundle, one.runtime, one.precision, one.boundary) for one in found}
    rows = [
        row
        for row in timed_rows(named.result)
        if (row.bundle, row.served_by, row.precision, row.boundary) in swept
        and row.throughput_per_s is not None
    ]
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.batch):
        groups.setdefault(name_of(row, rows), []).append(row)
    panels = []
    for group in groups.values():
        bundles = list(dict.fromkeys(row.bundle for row in group))
        for start in range(0, len(bundles), MOST_MARKS):
            some = bundles[start : start + MOST_MARKS]
            panels.append([row for row in group if row.bundle in some])
    return panels


def _knee(rows: Sequence[Row], knees: Sequence[Saturation]) -> Saturation | None:
    own: Mapping[tuple[str, str, str], Saturation] = {
        (one.bundle, one.runtime, one.precision): one for one in knees
    }
    first = rows[0]
    return own.get((first.bundle, first.served_by, first.precision))
