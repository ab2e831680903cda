"""A figure of two models' outputs: where they differ, how much, in which channel."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.accuracy.validation.comparison import Comparison, OutputDifference
from spinn_edge.accuracy.validation.difference_panels import (
    MOST_CHANNELS,
    draw_channels,
    draw_fault,
    draw_map,
    draw_samples,
    draw_values,
    plain,
    say,
    scale_words,
)
from spinn_edge.core.errors import UsageError
from spinn_edge.core.optional import require

EXTRA = "report"
DPI = 300
SUFFIXES = (".png", ".svg", ".pdf")
MOST_OUTPUTS = 6


def visualize_diff(comparison: Comparison, path: str | Path | None = None) -> Any:
    """Draw a comparison, one row an output.

    Left, how large the difference is in each channel; in the middle, in which samples; right, the
    second model's output against the first's in the worst channel, or, for images, a map of the
    worst sample.

    Args:
        comparison: what :meth:`OutputComparator.compare` returned.
        path: where to save it, 300 dots an inch; the suffix says the format. None saves nothing.

    Returns:
        A ``matplotlib.figure.Figure``. It belongs to no window and to no state of pyplot.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        UsageError: the file cannot be written, or has another suffix than .png, .svg or .pdf.
    """
    style = require("matplotlib.style", extra=EXTRA)
    make_figure = require("matplotlib.figure", extra=EXTRA).Figure
    canvas = require("matplotlib.backends.backend_agg", extra=EXTRA).FigureCanvasAgg
    if path is not None:
        check_figure_path(Path(path))
    shown, left_out = _shown(comparison)
    with style.context("default"):  # whatever the caller's own style is
        heights = [_height(output) for output in shown] or [1.2]
        figure = make_figure(
            figsize=(12.5, 0.7 + sum(heights)), layout="constrained", facecolor="white"
        )
        canvas(figure)
        figure.suptitle(_title(comparison, left_out), fontsize=12, x=0.01, ha="left")
        if comparison.fault is not None or not shown:
            say(figure.subplots(), comparison.fault or "there are no outputs")
        else:
            rows = np.atleast_1d(figure.subfigures(len(shown), 1, height_ratios=heights))
            for row, output in zip(rows, shown, strict=True):
                _draw_output(row, output, comparison.names)
        if path is not None:
            _save(figure, Path(path))
    return figure


def check_figure_path(path: Path) -> None:
    """Refuse, before any work, a file that no figure can be written to.

    Raises:
        UsageError: another suffix.
        MissingDependencyError: matplotlib is not installed.
    """
    require("matplotlib", extra=EXTRA)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a figure is written as one of {', '.join(SUFFIXES)}")


def _draw_output(row: Any, output: OutputDifference, names: tuple[str, str]) -> None:
    row.set_facecolor("white")
    if output.metrics is None:
        draw_fault(row, output, names)
        return
    worst = output.metrics.worst
    if not np.isfinite(worst.over_scale):
        say(row.subplots(), f"{output.output}: the difference is too large for float64")
        return
    row.suptitle(
        plain(f"{output.output}: {scale_words(worst)}"),
        fontsize=10.5,
        x=0.01,
        ha="left",
    )
    by_channel, by_sample, values = row.subplots(1, 3, width_ratios=(1.15, 1.35, 1.0))
    draw_channels(by_channel, output.metrics)
    draw_samples(by_sample, output, output.metrics)
    if output.first.ndim == 4:
        draw_map(row, values, output, worst)
    else:
        draw_values(values, output, worst, names)


def _shown(comparison: Comparison) -> tuple[list[OutputDifference], int]:
    """Return the outputs to draw, in their own order, and how many are left out."""

    def rank(output: OutputDifference) -> float:
        return np.inf if output.metrics is None else output.metrics.worst.over_scale

    worst = sorted(comparison.outputs, key=rank, reverse=True)[:MOST_OUTPUTS]
    names = {output.output for output in worst}
    shown = [output for output in comparison.outputs if output.output in names]
    return shown, len(comparison.outputs) - len(shown)


def _height(output: OutputDifference) -> float:
    """Return inches of a row."""
    if output.metrics is None:
        return 2.0
    return max(3.2, 1.1 + 0.22 * min(len(output.metrics.channels), MOST_CHANNELS))


def _title(comparison: Comparison, left_out: int) -> str:
    words = f"{comparison.names[1]} against {comparison.names[0]}, {comparison.samples} sample"
    words += "s" * (comparison.samples != 1)
    if left_out:
        words += f"; {left_out} outputs with smaller differences are left out"
    return plain(words)


def _save(figure: Any, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # a name in a script that the font lacks is drawn as boxes, which is no reason to fail
            warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
            figure.savefig(path, dpi=DPI, facecolor="white")
    except OSError as exc:
        raise UsageError(f"cannot write {path}: {exc}; name another file") from exc
