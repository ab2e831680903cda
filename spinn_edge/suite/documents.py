"""A measurement for the screen, as a page, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rich.console import Console, RenderableType

from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.core.atomic import write_whole
from spinn_edge.core.decode import encode
from spinn_edge.core.errors import UsageError
from spinn_edge.report import formatting as f
from spinn_edge.report.console import bench_table
from spinn_edge.report.json_document import bench_document, to_text
from spinn_edge.report.markdown import results_markdown
from spinn_edge.report.markdown_text import cell
from spinn_edge.report.page.page import run_page
from spinn_edge.report.recommendations import recommendations
from spinn_edge.report.remarks import score_remarks
from spinn_edge.report.result_remarks import result_remarks
from spinn_edge.report.screen import PIPED_WIDTH
from spinn_edge.report.sheet import Sheet
from spinn_edge.suite.measuring import Measured

_HEAD = ("model", ">parameters", ">parameter bytes", ">change", ">files", ">R² overall", ">RMSE")

TELLER = "validation=(inputs, targets)"
"""What tells, for models in memory, whether outputs are good enough."""


def recommended(measured: Measured) -> list[str]:
    """Return what follows from a measurement, a sentence or two for each model."""
    return recommendations(measured.result, measured.differences, teller=TELLER)


def show(measured: Measured, console: Console | None, file: IO[str] | None) -> None:
    """Print the tables, what they do not say by themselves, and what follows from them.

    Args:
        measured: what to print.
        console: where to; None makes one for ``file``.
        file: an open text file; None is standard output.
    """
    if console is None:
        console = Console(file=file)
        if not console.is_terminal:
            console = Console(file=file, width=PIPED_WIDTH)
    result = measured.result
    items: list[RenderableType] = [
        model_sheet(result).to_rich(),
        bench_table(result, width=console.width),
        *(
            remark
            for facts in result.bundles
            if facts.scores
            for remark in score_remarks(facts.scores, facts.name)
        ),
        *result_remarks(result),
        *measured.notes,
        *_beside_baseline(measured),
    ]
    for item in items:
        plain = isinstance(item, str)
        console.print(item, soft_wrap=plain, markup=not plain, highlight=False)


def json_text(measured: Measured) -> str:
    """Return the document of ``spinn-edge bench --json``, and what this package adds to it."""
    return to_text(_document(measured))


def html_text(measured: Measured) -> str:
    """Return the page of ``spinn-edge bench --html``, with what this package adds."""
    return run_page(measured.result, document=_document(measured))


def markdown_text(measured: Measured) -> str:
    """Return the tables of ``spinn-edge bench --markdown``, the models and the recommendations."""
    page = results_markdown(measured.result, measured.differences, teller=TELLER)
    parts = [page, model_sheet(measured.result).to_markdown()]
    parts += [f"- {cell(note)}\n" for note in measured.notes]
    return "\n".join(parts)


def write_document(measured: Measured, path: Path) -> Path:
    """Write HTML, JSON or Markdown, by the suffix; what lies there is replaced.

    Raises:
        UsageError: another suffix, or the file cannot be written.
    """
    makers = {
        ".html": html_text,
        ".htm": html_text,
        ".json": json_text,
        ".md": markdown_text,
    }
    suffix = path.suffix.lower()
    if suffix not in makers:
        stem = path.stem or "report"
        raise UsageError(
            f"{path}: expected a .html, .md or .json file; name {stem}.html for a page, {stem}.md "
            f"for tables or {stem}.json for all figures"
        )
    try:
        write_whole(path, makers[suffix](measured))
    except OSError as exc:
        raise UsageError(f"cannot write {path}: {exc}; name another file") from exc
    return path


def _document(measured: Measured) -> dict[str, Any]:
    document = bench_document(measured.result)
    document["notes"] = list(measured.notes)
    document["output_differences"] = encode(measured.differences)
    document["recommendations"] = recommended(measured)
    return document


def model_sheet(result: BenchResult) -> Sheet:
    """Return a line for each model: size, files, scores; changes are against the first."""
    return Sheet(title="Models", head=_HEAD, lines=tuple(_model_lines(result.bundles)))


def _beside_baseline(measured: Measured) -> list[str]:
    """Return the recommendations that the remarks do not hold already."""
    return recommended(measured) if len(measured.result.bundles) > 1 else []


def _model_lines(models: tuple[BundleFacts, ...]) -> Iterator[tuple[str, ...]]:
    first = models[0]
    for facts in models:
        change = "–"
        if facts is not first and None not in (first.parameters, facts.parameters):
            change = f.change(first.parameters or 0, facts.parameters or 0)
        yield (
            facts.name,
            f.whole(facts.parameters),
            f.size(facts.parameter_bytes),
            change,
            ", ".join(f"{path} {f.size(count)}" for path, count in facts.file_bytes.items()),
            f.score(facts.scores.r2_overall if facts.scores else None),
            ", ".join(map(f.magnitude, facts.scores.rmse.values())) if facts.scores else "–",
        )
