"""The roofline: FLOPs a second against FLOPs a byte, and how far below the limit a row lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from spinn_edge.bench.understanding.ceilings import Ceilings
from spinn_edge.bench.understanding.roofline import Roofline, RooflineRow
from spinn_edge.core.optional import require
from spinn_edge.report import formatting as f
from spinn_edge.report.colours import COLOURS
from spinn_edge.report.figures.lettering import labels, lettered
from spinn_edge.report.figures.scales import log_axis
from spinn_edge.report.figures.sketch import Drawing, NotDrawn, Sketch, stem
from spinn_edge.report.figures.style import (
    EXTRA,
    INK,
    MARKERS,
    SINGLE_IN,
    key,
    new_figure,
    remark,
)
from spinn_edge.report.roofline import read_roofline
from spinn_edge.report.sources import ReportSources

NAME = "roofline"
_HOW = "spinn-edge explain BUNDLE --only roofline --json explain.json"
MOST_ROWS = len(MARKERS)


def draw_rooflines(sources: ReportSources) -> Iterator[Drawing]:
    """Draw each document of ``spinn-edge explain --json`` that holds rooflines.

    Raises:
        BundleError: a document is damaged.
    """
    if not sources.explanations:
        reason = f"no explanation was given; write one with: {_HOW}, and name it beside the results"
        yield NotDrawn(name=NAME, reason=reason)
    for document in sources.explanations:
        part = document.name if len(sources.explanations) > 1 else ""
        ceilings, rows = read_roofline(document.raw, document.name)
        held = [row for row in rows if row.roofline is not None]
        if ceilings is None or not held:
            why = next((f": {row.reason}" for row in rows if row.reason), "")
            reason = f"{document.name} holds no roofline{why}; measure it with: {_HOW}"
            yield NotDrawn(name=stem(NAME, part), reason=lettered(reason, 400))
            continue
        yield Sketch(name=stem(NAME, part), figure=roofline_figure(ceilings, held[:MOST_ROWS]))


def roofline_figure(ceilings: Ceilings, rows: Sequence[RooflineRow]) -> Any:
    """Return the roof of memory, that of the cache where it is higher, and a point for each row."""
    figure = new_figure(SINGLE_IN, 3.2 + 0.13 * len(rows))
    axes = figure.subplots()
    held = [row.roofline for row in rows if row.roofline is not None]
    reached = [one.flops / one.latency_s for one in held]
    intensities = [one.intensity for one in held]
    ridges = [ceilings.flops_per_s / ceilings.memory_bytes_per_s]
    ridges += [ceilings.flops_per_s / one.bytes_per_s for one in held]
    low = min(*intensities, *ridges) / 4
    high = max(*intensities, *ridges) * 4
    bottom = min(*reached, ceilings.memory_bytes_per_s * low) / 2
    top = max(ceilings.flops_per_s, *reached) * 3
    _draw_roofs(axes, ceilings, held, (low, high))
    for number, (one, speed) in enumerate(zip(held, reached, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        limit = one.flops / one.attainable_s
        axes.plot([one.intensity] * 2, [speed, limit], color=colour, lw=0.8, ls=":")
        axes.plot(one.intensity, limit, "_", color=colour, ms=7)
        marker = MARKERS[number % len(MARKERS)]
        axes.plot(one.intensity, speed, marker, color=colour, ms=5, mec="white", mew=0.4, zorder=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    log_axis(axes.xaxis, low, high, lambda value: f"{value:g}", most=5)
    log_axis(axes.yaxis, bottom, top, lambda value: f"{value / 1e9:g}", most=5)
    axes.set_xlabel("FLOP per byte (log)")
    axes.set_ylabel("GFLOP/s (log)")
    axes.grid()
    _key(figure, rows, held)
    remark(figure, _remark(ceilings))
    return figure


def _draw_roofs(
    axes: Any, ceilings: Ceilings, held: Sequence[Roofline], ends: tuple[float, float]
) -> None:
    fastest = max(one.bytes_per_s for one in held)
    for bytes_per_s, line in ((ceilings.memory_bytes_per_s, "--"), (fastest, "-")):
        at = (ends[0], ceilings.flops_per_s / bytes_per_s, ends[1])
        roof = [min(ceilings.flops_per_s, bytes_per_s * one) for one in at]
        axes.plot(at, roof, color=INK, ls=line, lw=1.0, zorder=1)


def _key(figure: Any, rows: Sequence[RooflineRow], held: Sequence[Roofline]) -> None:
    line = require("matplotlib.lines", extra=EXTRA).Line2D
    handles, names = [], []
    for number, (row, one) in enumerate(zip(rows, held, strict=True)):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        handles.append(line([], [], color=colour, marker=marker, linestyle="none"))
        names.append(row_words(row, one))
    key(figure, handles, names)


def row_words(row: RooflineRow, one: Roofline) -> str:
    """Return a point's name, its latency and how much of the limit it reached."""
    bundle = labels([row.bundle], 14)[row.bundle]
    runtime = lettered(f.served(row.runtime, row.served_by), 18)
    share = f"{one.share:.0%}".replace("%", " %")
    return f"{bundle}, {runtime}, batch {row.batch:,}: {f.seconds(one.latency_s)}, {share}"


def _remark(ceilings: Ceilings) -> str:
    threads = "1 thread" if ceilings.threads == 1 else f"{ceilings.threads} threads"
    return (
        f"Ceilings of {threads}: {ceilings.flops_per_s / 1e9:.3g} GFLOP/s in float32 products; "
        f"dashed: copies in memory, {ceilings.memory_bytes_per_s / 1e9:.3g} GB/s; solid: copies of "
        "the model's own size. Per cent: of the limit, the dash above or below the point."
    )
