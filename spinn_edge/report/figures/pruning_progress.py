"""How parameters and validation loss moved, round after round of pruning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.report import formatting as f
from spinn_edge.report.figures.lettering import labels, lettered
from spinn_edge.report.figures.sketch import Drawing, NotDrawn, Sketch, stem
from spinn_edge.report.figures.style import (
    DOUBLE_IN,
    HALO,
    SINGLE_IN,
    SMALL_PT,
    mark,
    new_figure,
    remark,
)
from spinn_edge.report.sources import ReportSources

NAME = "pruning-progression"
_MOST_IN_ONE_COLUMN = 5
"""Bars whose numbers stand beside each other in one column of a journal."""
_MOST_NUMBERS = 12


def draw_pruning_progress(sources: ReportSources) -> Iterator[Drawing]:
    """Draw each bundle that this tool pruned."""
    pruned = [(bundle.name, bundle.manifest.pruning) for bundle in sources.bundles]
    audits = [(name, audit) for name, audit in pruned if audit is not None and audit.rounds]
    if not audits:
        given = ", ".join(lettered(name, 40) for name, _ in pruned)
        why = (
            f"none of the bundles given ({given}) holds an audit of pruning"
            if given
            else "no bundle was given, and the rounds of pruning are in its manifest"
        )
        yield NotDrawn(name=NAME, reason=f"{why}; name a pruned one with --bundle")
    for name, audit in audits:
        part = name if len(audits) > 1 else ""
        yield Sketch(name=stem(NAME, part), figure=progress_figure(name, audit))


def progress_figure(name: str, audit: PruningAudit) -> Any:
    """Return bars of parameters, and the loss after fine-tuning below where it was recorded."""
    parameters = [audit.parameters_before, *(one.parameters for one in audit.rounds)]
    losses = [(n, one.score) for n, one in enumerate(audit.rounds, 1) if one.score is not None]
    wide = len(parameters) > _MOST_IN_ONE_COLUMN
    panels = 2 if losses else 1
    figure = new_figure(DOUBLE_IN if wide else SINGLE_IN, 0.9 + 1.45 * panels)
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    _draw_parameters(axes[0], parameters)
    axes[0].set_title(labels([name], 44)[name])
    if losses:
        _draw_losses(axes[1], losses, len(parameters))
    axes[-1].set_xlabel("round of pruning")
    places = range(len(parameters))
    names = ["before" if place == 0 else str(place) for place in places]
    step = -(-len(parameters) // _MOST_NUMBERS)
    axes[-1].set_xticks(list(places)[::step], names[::step])
    axes[-1].set_xlim(-0.6, len(parameters) - 0.4)
    words = (
        f"Importance: {audit.importance}; asked for {_percent(audit.requested)} fewer {audit.by}"
    )
    words += f", reached {_percent(audit.achieved)}"
    words += "" if losses else "; no validation loss was recorded"
    remark(figure, lettered(words, 240))
    return figure


def _draw_parameters(axes: Any, parameters: list[int]) -> None:
    axes.set_ylabel("parameters")
    before = parameters[0]
    for place, count in enumerate(parameters):
        axes.bar(place, count, width=0.62, **mark(0 if place == 0 else 1).bar())
    for place in _numbered(len(parameters)):
        count = parameters[place]
        change = "" if place == 0 else f"\n{f.change(before, count)}"
        axes.annotate(
            f"{f.whole(count)}{change}",
            (place, count),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL_PT,
            bbox=HALO,
            zorder=0.9,  # over the grid, under the bar
        )
    axes.set_ylim(0, max(parameters) * 1.3)
    axes.yaxis.set_major_formatter(lambda value, place: f.whole(round(value)))
    axes.locator_params(axis="y", nbins=4)
    axes.grid(axis="y")


def _draw_losses(axes: Any, losses: list[tuple[int, float]], rounds: int) -> None:
    look = mark(2)
    axes.set_ylabel("validation loss")
    axes.plot(
        [n for n, _ in losses],
        [loss for _, loss in losses],
        color=look.colour,
        marker=look.marker,
    )
    shown = set(_numbered(rounds))
    beside = [losses[0], *losses, losses[-1]]
    for before, (number, loss), after in zip(beside, losses, beside[2:], strict=False):
        if number in shown:
            below = before[1] > loss < after[1]  # elsewhere a line would run through the number
            axes.annotate(
                f.magnitude(loss),
                (number, loss),
                xytext=(0, -5 if below else 5),
                textcoords="offset points",
                ha="left" if before[1] > loss > after[1] else "center",
                va="top" if below else "bottom",
                fontsize=SMALL_PT,
                bbox=HALO,
            )
    axes.margins(y=0.35)
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter(lambda value, place: f"{value:.3g}")
    axes.grid(axis="y")


def _numbered(count: int) -> list[int]:
    """Return the bars that have room for their number: the last one always has."""
    step = -(-count // _MOST_NUMBERS)
    return sorted({*range(0, count - step + 1, step), count - 1})


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
