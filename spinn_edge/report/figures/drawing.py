"""All figures that the recorded results have, written to a folder."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinn_edge.core.atomic import write_atomically
from spinn_edge.core.errors import UsageError
from spinn_edge.core.optional import require
from spinn_edge.core.steps import OnStep, unheard
from spinn_edge.report.figures.architecture import draw_architectures
from spinn_edge.report.figures.error_waterfall import draw_waterfalls
from spinn_edge.report.figures.footprint_ladder import draw_footprints
from spinn_edge.report.figures.latency_distribution import draw_distributions
from spinn_edge.report.figures.pareto import draw_paretos
from spinn_edge.report.figures.predicted import draw_predicted
from spinn_edge.report.figures.pruning_progress import draw_pruning_progress
from spinn_edge.report.figures.roofline_plot import draw_rooflines
from spinn_edge.report.figures.sketch import Drawing, Sketch
from spinn_edge.report.figures.style import EXTRA, drawing_style
from spinn_edge.report.figures.summary_bars import draw_summary_bars
from spinn_edge.report.figures.throughput import draw_throughputs
from spinn_edge.report.sources import ReportSources

DPI = 300
FORMATS = ("png", "svg")

_FIGURES: tuple[Callable[[ReportSources], Iterator[Drawing]], ...] = (
    draw_pruning_progress,
    draw_predicted,
    draw_summary_bars,
    draw_architectures,
    draw_distributions,
    draw_paretos,
    draw_waterfalls,
    draw_footprints,
    draw_rooflines,
    draw_throughputs,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresReport:
    """What became of every figure.

    Attributes:
        drawn: files, in the order of the figures, each in every format.
        left_out: name of each figure that was not drawn, and what was not measured.
    """

    drawn: tuple[Path, ...]
    left_out: tuple[tuple[str, str], ...]


def draw_figures(
    sources: ReportSources,
    folder: Path,
    *,
    formats: Sequence[str] = FORMATS,
    dpi: int = DPI,
    on_step: OnStep = unheard,
) -> FiguresReport:
    """Draw every figure whose data was measured; files of the same name are replaced.

    The same sources give the same bytes with the same matplotlib.

    Args:
        sources: what was recorded.
        folder: where the files go; it is made.
        formats: of ``FORMATS``, each figure in every one.
        dpi: dots an inch of what has dots.
        on_step: called before each kind of figure.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        UsageError: another format, no dots, or the folder cannot be written.
        BundleError: a document among the sources is damaged.
    """
    wrong = [one for one in formats if one not in FORMATS]
    if wrong or not formats:
        raise UsageError(
            f"figures as {', '.join(wrong) or 'nothing'}: expected {' or '.join(FORMATS)}"
        )
    if dpi < 1:
        raise UsageError(f"{dpi} dots an inch: expected 1 or more, such as {DPI} for print")
    require("matplotlib", extra=EXTRA)
    folder = Path(folder)
    drawn: list[Path] = []
    left_out: list[tuple[str, str]] = []
    with drawing_style():
        for number, draw in enumerate(_FIGURES):
            on_step(f"drawing {_kind(draw)}", number, len(_FIGURES))
            for found in draw(sources):
                if isinstance(found, Sketch):
                    name = _unused(found.name, {path.stem for path in drawn})
                    drawn += _write(found.figure, folder, name, formats, dpi)
                else:
                    left_out.append((found.name, found.reason))
    return FiguresReport(drawn=tuple(drawn), left_out=tuple(left_out))


def _kind(draw: Callable[..., Any]) -> str:
    return draw.__name__.removeprefix("draw_").replace("_", " ")


def figures_words(report: FiguresReport) -> list[str]:
    """Return what was written and what was not, and why, a sentence each."""
    stems = list(dict.fromkeys(path.stem for path in report.drawn))
    lines = [f"figures drawn: {', '.join(stems)}"] if stems else []
    return [*lines, *(f"not drawn: {name}: {reason}" for name, reason in report.left_out)]


def _write(
    figure: Any, folder: Path, name: str, formats: Sequence[str], dpi: int
) -> Iterator[Path]:
    for kind in formats:
        path = folder / f"{name}.{kind}"
        content = rendered(figure, kind, dpi)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content, mode=0o644)
        except OSError as exc:
            raise UsageError(f"cannot write {path}: {exc}; name another folder") from exc
        yield path


def rendered(figure: Any, kind: str, dpi: int = DPI) -> bytes:
    """Return a figure as a file's content, without a date and without the name of a version."""
    metadata: dict[str, Any] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # a name in a script that the font lacks is drawn as boxes, which is no reason to fail
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        lay_out(figure, dpi)
        figure.savefig(stream, format=kind, dpi=dpi, metadata=metadata[kind])
    return stream.getvalue()


def lay_out(figure: Any, dpi: int = DPI) -> None:
    """Give the parts of a figure their places, once for all formats.

    An engine that stays with the figure lets matplotlib draw everything twice for each file.

    Args:
        figure: what is laid out, if it has not been.
        dpi: dots an inch; letters are a little wider where they are made of few.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        figure.set_dpi(dpi)
        engine.execute(figure)
        figure.set_layout_engine(None)


def _unused(name: str, used: set[str]) -> str:
    """Return a stem that no figure before it has: two names may be alike in letters and digits."""
    number, free = 1, name
    while free in used:
        number += 1
        free = f"{name}-{number}"
    return free
