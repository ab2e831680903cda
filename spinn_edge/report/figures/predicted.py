"""Predicted against measured, a panel for each output and model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from spinn_edge.accuracy.metrics.regression import r2_score
from spinn_edge.core.tensors import Array
from spinn_edge.report import formatting as f
from spinn_edge.report.figures.lettering import labels, lettered
from spinn_edge.report.figures.sketch import Drawing, NotDrawn, Sketch, stem
from spinn_edge.report.figures.style import (
    DOUBLE_IN,
    INK,
    SINGLE_IN,
    TALLEST_IN,
    mark,
    new_figure,
    remark,
)
from spinn_edge.report.sources import Predictions, ReportSources

NAME = "predicted-against-measured"
_MOST_MODELS, _MOST_OUTPUTS = 4, 4
"""Panels beside and below each other; what is more goes to a further figure."""
_MOST_POINTS = 4000
_LONGEST = 1e300


def draw_predicted(sources: ReportSources) -> Iterator[Drawing]:
    """Draw all outputs of all bundles, on as many pages as they need."""
    found = sources.predictions
    if found is None or not found.predicted or not len(found.measured):
        yield NotDrawn(
            name=NAME,
            reason="no labelled rows were run through the bundles; name them with --bundle DIR "
            "--data test.csv",
        )
        return
    models = _parts(tuple(found.predicted), _MOST_MODELS)
    outputs = _parts(range(len(found.targets)), _MOST_OUTPUTS)
    pages = [(some, chosen) for some in models for chosen in outputs]
    for number, (some, chosen) in enumerate(pages, 1):
        page = str(number) if len(pages) > 1 else ""
        yield Sketch(name=stem(NAME, page), figure=predicted_figure(found, some, chosen))


def predicted_figure(found: Predictions, models: Sequence[str], outputs: Sequence[int]) -> Any:
    """Return a row of panels for each output, a column for each model.

    Args:
        found: what was predicted.
        models: names of bundles.
        outputs: numbers of targets.
    """
    width = SINGLE_IN if len(models) == 1 else DOUBLE_IN
    side = min(3.4, width / len(models))
    room = (TALLEST_IN - 0.3) / len(outputs)
    figure = new_figure(width, 0.3 + min(room, side + 0.2) * len(outputs))
    grid = figure.subplots(len(outputs), len(models), squeeze=False)
    letters = max(8, 36 - 6 * len(models))
    names = labels(found.predicted, letters + 6)
    targets = labels(found.targets, letters)
    for row, output in zip(grid, outputs, strict=True):
        measured = np.asarray(found.measured[:, output], np.float64)
        ends = _ends([measured, *(found.predicted[model][:, output] for model in models)])
        for axes, model in zip(row, models, strict=True):
            predicted = np.asarray(found.predicted[model][:, output], np.float64)
            axes.set_title(f"{names[model]}\nR² = {r2_words(measured, predicted)}")
            _draw_points(axes, measured, predicted, ends, list(found.predicted).index(model))
            axes.set_xlabel(f"measured {targets[found.targets[output]]}")
        row[0].set_ylabel(f"predicted\n{targets[found.targets[output]]}")
    remark(figure, _remark(found))
    return figure


def r2_words(measured: Array, predicted: Array) -> str:
    """Return R² as a title states it; a dash for a target that does not vary."""
    if not (np.isfinite(measured).all() and np.isfinite(predicted).all()):
        return "– (NaN or Inf)"
    with np.errstate(over="ignore"):
        value = float(r2_score(measured[:, None], predicted[:, None])[0])
    constant = bool((measured == measured[0]).all())
    return f.score(None if constant or not np.isfinite(value) else value)


def _draw_points(
    axes: Any, measured: Array, predicted: Array, ends: tuple[float, float], number: int
) -> None:
    look = mark(number)
    kept = np.linspace(0, len(measured) - 1, min(len(measured), _MOST_POINTS)).astype(int)
    axes.plot(ends, ends, color=INK, lw=0.8, ls="--", zorder=3)
    axes.plot(
        measured[kept],
        predicted[kept],
        look.marker,
        color=look.colour,
        ms=2.2,
        mew=0,
        alpha=0.5,
        rasterized=True,
    )
    axes.set_xlim(ends)
    axes.set_ylim(ends)
    axes.set_aspect("equal")
    axes.locator_params(nbins=4)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, place: f"{value:.4g}")
    axes.grid()


def _ends(arrays: Sequence[Array]) -> tuple[float, float]:
    """Return the ends of both axes: one scale for all models of an output."""
    values = np.concatenate([np.asarray(array, np.float64) for array in arrays])
    finite = values[np.abs(values) < _LONGEST]  # neither NaN nor Inf
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    room = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    return low - room, high + room


def _remark(found: Predictions) -> str:
    rows = len(found.measured)
    words = f"{lettered(found.source, 80)}; units are those of the data"
    if rows > _MOST_POINTS:
        words += f"; {f.whole(_MOST_POINTS)} of them drawn, evenly spread; R² is of all"
    return f"{words}. Dashed: predicted as measured."


def _parts(items: Sequence[Any], most: int) -> list[Sequence[Any]]:
    return [items[start : start + most] for start in range(0, len(items), most)]
