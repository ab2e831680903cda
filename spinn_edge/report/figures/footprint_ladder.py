"""What a process takes before its first answer, and how much memory it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from spinn_edge.report import formatting as f
from spinn_edge.report.figures.lettering import labels
from spinn_edge.report.figures.scales import bar_axis, tick_seconds, tick_size
from spinn_edge.report.figures.sketch import Drawing, NotDrawn, Sketch, stem
from spinn_edge.report.figures.style import (
    DOUBLE_IN,
    SMALL_PT,
    Mark,
    bar_key,
    mark,
    new_figure,
    remark,
)
from spinn_edge.report.footprints import FootprintLine, footprint_lines
from spinn_edge.report.sources import NamedResult, ReportSources

NAME = "footprint-ladder"
_MOST_LINES = 28
_TIMES = ("import", "load", "first inference")
_MEMORY = ("memory after load", "peak memory")


def draw_footprints(sources: ReportSources) -> Iterator[Drawing]:
    """Draw each result whose processes were watched."""
    for named in sources.results:
        part = named.name if len(sources.results) > 1 else ""
        lines = [one for one in footprint_lines(named.result.rows) if _known(one)]
        if not lines:
            yield NotDrawn(
                name=stem(NAME, part),
                reason=f"no process of {named.name} was watched: its rows were timed in memory, or "
                "the system does not tell; spinn-edge bench starts processes of its own",
            )
        pages = [lines[start : start + _MOST_LINES] for start in range(0, len(lines), _MOST_LINES)]
        for number, some in enumerate(pages, 1):
            page = str(number) if len(pages) > 1 else ""
            yield Sketch(name=stem(NAME, part, page), figure=footprint_figure(named, some))


def footprint_figure(named: NamedResult, lines: Sequence[FootprintLine]) -> Any:
    """Return start, step upon step, on the left, and memory on the right."""
    figure = new_figure(DOUBLE_IN, 1.15 + 0.25 * len(lines))
    times, memory = figure.subplots(1, 2, sharey=True, width_ratios=(1.25, 1))
    for place, line in enumerate(lines):
        _draw_times(times, -place, line)
        _draw_memory(memory, -place, line)
    starts = [sum(filter(None, _times(line))) for line in lines]
    _finish(times, starts, 2.1, tick_seconds, most=3)
    times.set_xlabel("time to the first answer")
    most = [float(max(filter(None, _sizes(line)), default=0)) for line in lines]
    _finish(memory, most, 1.75, tick_size, most=2)
    memory.set_xlabel("memory of the process")
    times.set_yticks([-place for place in range(len(lines))], _unlike(lines))
    times.set_ylim(0.6 - len(lines), 0.6)
    for axes in (times, memory):
        axes.tick_params(axis="y", length=0)
    bar_key(figure, list(_marks()), [*_TIMES, *_MEMORY])
    device = [line for line in lines if line.device_bytes is not None]
    words = f"{named.machine}. Median of the launches; peak: the highest of all."
    if device:
        words += " Memory of the GPU, " + "; ".join(
            f"{name}: {f.size(line.device_bytes)}"
            for name, line in zip(_unlike(device), device[:6], strict=False)
        )
    remark(figure, words)
    return figure


def _draw_times(axes: Any, y: float, line: FootprintLine) -> None:
    start = 0.0
    for value, look in zip(_times(line), _marks(), strict=False):
        if value is not None:
            axes.barh(y, value, left=start, height=0.7, **look.bar())
            start += value
    words = " + ".join(f.seconds(value) for value in _times(line))
    _write(axes, start, y, words)


def _draw_memory(axes: Any, y: float, line: FootprintLine) -> None:
    after_load, peak = _sizes(line)
    looks = _marks()[len(_TIMES) :]
    for value, look, at in zip((after_load, peak), looks, (0.18, -0.18), strict=True):
        if value is not None:
            axes.barh(y + at, value, height=0.34, **look.bar())
    _write(axes, max(filter(None, (after_load, peak)), default=0), y, _memory_words(line))


def _memory_words(line: FootprintLine) -> str:
    after_load, peak = _sizes(line)
    return f"{f.size(after_load)}, peak {f.size(peak)}"


def _write(axes: Any, x: float, y: float, words: str) -> None:
    axes.annotate(
        words,
        (x, y),
        xytext=(3, 0),
        textcoords="offset points",
        va="center",
        fontsize=SMALL_PT,
    )


def _finish(
    axes: Any, values: Sequence[float], room: float, text: Callable[[float], str], *, most: int
) -> None:
    longest = max(values, default=0.0)
    axes.set_xlim(0, longest * room or 1.0)
    bar_axis(axes.xaxis, longest, text, most=most)
    axes.grid(axis="x")


def _times(line: FootprintLine) -> tuple[float | None, ...]:
    return line.import_s, line.load_s, line.first_inference_s


def _sizes(line: FootprintLine) -> tuple[int | None, int | None]:
    return line.resident_after_load_bytes, line.peak_resident_bytes


def _known(line: FootprintLine) -> bool:
    return any(value is not None for value in (*_times(line), *_sizes(line)))


def _marks() -> tuple[Mark, ...]:
    return tuple(mark(number) for number in range(len(_TIMES) + len(_MEMORY)))


def _unlike(lines: Sequence[FootprintLine]) -> list[str]:
    """Return a label for each line: bundle and runtime, each shortened by itself."""
    bundles = labels([line.bundle for line in lines], 16)
    runtimes = labels([line.runtime for line in lines], 20)
    return [f"{bundles[line.bundle]}, {runtimes[line.runtime]}" for line in lines]
