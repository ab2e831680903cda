"""The error waterfall: what each step from the trained network to a deployed form adds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from spinn_edge.accuracy.divergence.waterfall import OutputError, Waterfall, WaterfallStep
from spinn_edge.core.decode import decode
from spinn_edge.report.figures.lettering import labels, lettered
from spinn_edge.report.figures.scales import log_axis
from spinn_edge.report.figures.sketch import Drawing, NotDrawn, Sketch, stem
from spinn_edge.report.figures.style import (
    DOUBLE_IN,
    HALO,
    PALE,
    SMALL_PT,
    line_key,
    mark,
    new_figure,
    remark,
)
from spinn_edge.report.sources import ReportSources
from spinn_edge.report.waterfall import percent

NAME = "error-waterfall"
MOST_OUTPUTS = 4
"""Outputs with a line each; of more, the one with the largest error of each step stands alone."""
_MOST_STEPS = 24
_SMALLEST = 1e-17
"""Where the axis ends at the latest: float64 rounds by more; a smaller share stands there."""
_MANY = 1e10
"""Largest over smallest share from which on labels of ticks are long, and fewer."""


def draw_waterfalls(sources: ReportSources) -> Iterator[Drawing]:
    """Draw each document of ``spinn-edge waterfall --json``.

    Raises:
        BundleError: a document is damaged.
    """
    if not sources.waterfalls:
        yield NotDrawn(
            name=NAME,
            reason="no waterfall was given; write one with: spinn-edge waterfall PRUNED --dense "
            "DENSE --json waterfall.json, and name it beside the results",
        )
    for document in sources.waterfalls:
        part = document.name if len(sources.waterfalls) > 1 else ""
        found = decode(Waterfall, document.raw, where=document.name)
        known = [step for step in found.steps if step.contribution]
        if not known:
            reason = f"no step of {document.name} could be run"
            yield NotDrawn(name=stem(NAME, part), reason=reason)
            continue
        yield Sketch(name=stem(NAME, part), figure=waterfall_figure(found))


def waterfall_figure(found: Waterfall) -> Any:
    """Return a line for each step and output: what the step adds, and the whole error after it."""
    steps = [step for step in found.steps if step.name != found.reference][:_MOST_STEPS]
    outputs = found.outputs if len(found.outputs) <= MOST_OUTPUTS else ("worst output",)
    lines = sum(1 if step.reason is not None else len(outputs) for step in steps)
    figure = new_figure(DOUBLE_IN, 1.3 + 0.17 * lines + 0.1 * len(steps))
    axes = figure.subplots()
    known = len(found.outputs)
    errors = [
        _error(some, output, known)
        for step in steps
        for output in outputs
        for some in (step.contribution, step.total)
    ]
    low, high = _ends([one.max_share for one in errors if one is not None and one.max_share > 0])
    names = labels([_named(step) for step in steps], 34)
    at, ticks = 0.0, []
    for step in steps:
        start = at
        for number, output in enumerate(outputs if step.reason is None else ()):
            _draw_line(axes, -at, step, output, number, low, known=known)
            at += 1
        if step.reason is not None:
            _write(axes, low, -at, _why_not(step))
            at += 1
        ticks.append((-(start + at - 1) / 2, names[_named(step)]))
        at += 0.6
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    log_axis(axes.xaxis, low, high / 10, percent, most=7 if high / low < _MANY else 4)
    axes.set_yticks([y for y, _ in ticks], [words for _, words in ticks])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-at + 0.9, 0.7)
    axes.set_xlabel("largest difference, share of the output's scale (log)")
    axes.grid(axis="x")
    shown = labels(outputs, 30)
    line_key(figure, [mark(n) for n in range(len(outputs))], list(shown.values()), lines=False)
    left_out = len(found.steps) - 1 - len(steps)
    words = (
        f"{found.rows:,} samples ({found.source}). Filled: what this step adds, with its share; "
        f"open: the whole difference from {found.reference}."
    )
    words += f" {left_out} further forms are in the document." if left_out > 0 else ""
    remark(figure, lettered(words, 400))
    return figure


def _draw_line(
    axes: Any, y: float, step: WaterfallStep, output: str, number: int, low: float, *, known: int
) -> None:
    look = mark(number)
    added, whole = _error(step.contribution, output, known), _error(step.total, output, known)
    if whole is not None and whole.max_share > 0:
        axes.plot(whole.max_share, y, look.marker, mfc="white", mec=look.colour, mew=1.0)
    if added is None:
        return
    if added.max_share <= 0:
        _write(axes, low, y, percent(added.max_share))
        return
    place = max(low, added.max_share)
    axes.plot([low, place], [y, y], color=PALE, lw=0.8, zorder=1)
    axes.plot(place, y, look.marker, color=look.colour, zorder=3, clip_on=False)
    _write(axes, place, y, percent(added.max_share))


def _write(axes: Any, x: float, y: float, words: str) -> None:
    axes.annotate(
        words,
        (x, y),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        fontsize=SMALL_PT,
        bbox=HALO,
        zorder=2,
    )


def _error(errors: Sequence[OutputError], output: str, known: int) -> OutputError | None:
    if known > MOST_OUTPUTS:
        return max(errors, key=lambda error: error.max_share, default=None)
    return next((error for error in errors if error.output == output), None)


def _why_not(step: WaterfallStep) -> str:
    verdict = "failed" if step.failed else "not run"
    return lettered(f"{verdict}: {re.split('[:;]', step.reason or '')[0]}", 70)


def _named(step: WaterfallStep) -> str:
    return f"{step.name} ({step.step})" if step.step else step.name


def _ends(shares: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the axis; the right one leaves room for the numbers."""
    low, high = (min(shares) / 3, max(shares)) if shares else (1e-9, 1e-6)
    return min(max(low, _SMALLEST), high / 3), high * 10
