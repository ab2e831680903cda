"""The results tables in Markdown, from measured values only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spinn_edge.bench.evidence.output_difference import OutputDifference
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.footprints import footprint_sheet
from spinn_edge.report.latency_columns import SPANS, several_precisions
from spinn_edge.report.left_out import split_rows
from spinn_edge.report.markdown_text import cell
from spinn_edge.report.recommendations import TELLER, recommendations
from spinn_edge.report.remarks import score_remarks
from spinn_edge.report.result_remarks import result_remarks
from spinn_edge.report.sheet import Sheet
from spinn_edge.report.tables.comparison import comparison_sheets
from spinn_edge.report.tables.latencies import DASHES, latency_sheets


def results_markdown(
    result: BenchResult,
    differences: Mapping[str, OutputDifference] | None = None,
    *,
    teller: str = TELLER,
) -> str:
    """Return comparison, all rows, recommendations, and the machine.

    The comparison (parameters, size, scores, latency; value, value, change) and the
    recommendations need a baseline.

    Args:
        result: what was measured.
        differences: outputs of each model against the baseline's, by model, where they are known.
        teller: what tells whether outputs are good enough.
    """
    parts = ["# Results", ""]
    for sheets in (comparison_sheets(result), latency_sheets(result)):
        parts += [part for sheet in sheets for part in _table(sheet, alone=len(sheets) == 1)]
    parts += [*_footprints(result), *_notes(result), ""]
    if len(result.bundles) > 1:
        words = recommendations(result, differences or {}, teller=teller)
        parts += ["Recommendations:", "", *(f"- {cell(text)}" for text in words), ""]
    parts += [*_environment(result), ""]
    return "\n".join(parts)


def _table(sheet: Sheet, *, alone: bool) -> Iterator[str]:
    """Return a table; one of several says what it holds."""
    if not alone:
        yield from (f"{cell(sheet.title)}.", "")
    yield from (sheet.markdown_table(), "")


def _footprints(result: BenchResult) -> Iterator[str]:
    if (footprints := footprint_sheet(result.rows)) is not None:
        yield footprints.to_markdown()


def _notes(result: BenchResult) -> Iterator[str]:
    shown, _ = split_rows(result)
    threads = sorted({row.threads for row in result.rows})
    boundaries = {row.boundary for row in shown}
    words = [f"Boundary of every latency: {name} ({SPANS[name]})." for name in boundaries]
    if len(boundaries) > 1:
        words = ["Figures of different boundaries are not comparable."]
    if not several_precisions(shown):
        words += [f"Precision: {cell(row.precision)}." for row in shown[:1]]
    yield (
        f"{' '.join(words)} Threads: {', '.join(map(str, threads))}. {DASHES}. Parity is the "
        "largest absolute difference from the reference."
    )
    for facts in result.bundles:
        if facts.scores is not None:
            yield f"\nScores of {cell(facts.name)}: {cell(facts.scores.source)}."
            for remark in score_remarks(facts.scores, facts.name):
                yield f"\n- {cell(remark)}."
    yield from (f"\n- {cell(remark)}" for remark in result_remarks(result))


def _environment(result: BenchResult) -> Iterator[str]:
    env = result.environment
    packages = ", ".join(f"{name} {version}" for name, version in env.packages.items())
    load = f.NOT_MEASURED if env.load_1min is None else env.load_1min
    yield (
        f"Machine: {cell(env.cpu)}, {env.cores} cores ({env.affinity} usable), load {load} at the "
        f"start; GPU: {cell(env.gpu)}; {cell(env.system)}; Python {cell(env.python)}; "
        f"{cell(packages)}. "
        f"Measured {cell(result.created_utc)}."
    )
