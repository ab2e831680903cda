"""The results tables in Markdown, from measured values only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.report import formatting as f
from spinn_edge.report.footprints import footprint_sheet
from spinn_edge.report.latency_columns import SPANS, name_columns, several_precisions
from spinn_edge.report.latency_tables import LatencyTable, latency_tables
from spinn_edge.report.left_out import split_rows
from spinn_edge.report.markdown_text import cell
from spinn_edge.report.remarks import score_remarks
from spinn_edge.report.result_remarks import result_remarks


def results_markdown(result: BenchResult) -> str:
    """Return comparison, all rows, and the machine.

    The comparison (parameters, size, scores, latency; value, value, change) needs a baseline.
    """
    parts = ["# Results", ""]
    if len(result.bundles) == 2:
        parts += [*_comparison(result), ""]
    parts += [*_rows(result), *_footprints(result), *_notes(result), ""]
    parts += [*_environment(result), ""]
    return "\n".join(parts)


def _comparison(result: BenchResult) -> Iterator[str]:
    before, after = result.bundles
    yield from _table_head(["", cell(before.name), cell(after.name), "change"])
    yield from _fact_lines(before, after)
    yield from _score_lines(before, after)
    for old, new in _paired(result):
        label = _latency_label(new, result)
        if old is None or old.median_s is None or new.median_s is None:
            yield _line([label, f.NOT_MEASURED, f.NOT_MEASURED, "–"])
            continue
        change = "not comparable"
        if old.conditions == new.conditions:
            change = f"{f.change(old.median_s, new.median_s)}, {f.speedup(new)}"
        yield _line([label, f.seconds(old.median_s), f.seconds(new.median_s), change])


def _latency_label(row: Row, result: BenchResult) -> str:
    """Name a latency by runtime and batch, and by what else differs in the result."""
    parts = ["latency", cell(f.served(row.runtime, row.served_by))]
    parts += [row.precision] if several_precisions(result.rows) else []
    parts += [f"batch {row.batch}"]
    parts += [row.boundary] if len({r.boundary for r in result.rows}) > 1 else []
    parts += [] if row.rate_per_s is None else [f"{f.rate(row.rate_per_s)}, service"]
    return ", ".join([*parts, "median"])


def _fact_lines(before: BundleFacts, after: BundleFacts) -> Iterator[str]:
    if before.widths and after.widths:
        yield _line(["widths", f.dashed(before.widths), f.dashed(after.widths), ""])
    facts: list[tuple[str, int | None, int | None]] = [
        ("parameters", before.parameters, after.parameters),
        ("FLOPs per sample", before.flops_per_sample, after.flops_per_sample),
    ]
    for label, old, new in facts:
        yield _line([label, f.whole(old), f.whole(new), _change(old, new)])
    sizes = [("parameter bytes", before.parameter_bytes, after.parameter_bytes)]
    sizes += [
        (f"size of {cell(path)}", before.file_bytes[path], after.file_bytes[path])
        for path in before.file_bytes
        if path in after.file_bytes
    ]
    for label, old, new in sizes:
        yield _line([label, f.size(old), f.size(new), _change(old, new)])


def _score_lines(before: BundleFacts, after: BundleFacts) -> Iterator[str]:
    old, new = before.scores, after.scores
    if old is None or new is None:
        yield _line(["R², RMSE", f.NOT_MEASURED, f.NOT_MEASURED, "–"])
        return
    yield _line(
        [
            "R² overall",
            f.score(old.r2_overall),
            f.score(new.r2_overall),
            f.difference(old.r2_overall, new.r2_overall),
        ]
    )
    shared = [name for name in old.r2 if name in new.r2]
    for name in shared:
        yield _line(
            [
                f"R² {cell(name)}",
                f.score(old.r2[name]),
                f.score(new.r2[name]),
                f.difference(old.r2[name], new.r2[name]),
            ]
        )
    for name in shared:
        yield _line(
            [
                f"RMSE {cell(name)}",
                f.magnitude(old.rmse[name]),
                f.magnitude(new.rmse[name]),
                f.change(old.rmse[name], new.rmse[name]),
            ]
        )
    for name in shared:
        yield _line(
            [
                f"R² {cell(name)}, linear regression",
                f.score(old.linear_r2[name]),
                f.score(new.linear_r2[name]),
                "",
            ]
        )


def _rows(result: BenchResult) -> Iterator[str]:
    """Return each table of latencies; where there are several, each says what it spans."""
    shown, _ = split_rows(result)
    tables = latency_tables(shown)
    for table in tables:
        if len(tables) > 1:
            yield from (f"{table.lead}.", "")
        yield from _table_rows(table)
        yield ""


def _table_rows(table: LatencyTable) -> Iterator[str]:
    names, figures = name_columns(table.rows), table.figures
    titles = [column.title for column in (*names, *figures)]
    titles.insert(len(names), "status")
    yield from _table_head([*titles, "samples", "launches"])
    for row in table.rows:
        yield _line(
            [
                *(cell(column.text(row)) for column in names),
                row.status,
                *(cell(column.text(row)) for column in figures),
                str(len(row.samples_s)),
                str(len(row.launch_samples)),
            ]
        )


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
        words += [f"Precision: {row.precision}." for row in shown[:1]]
    yield (
        f"{' '.join(words)} Threads: {', '.join(map(str, threads))}. A dash under a "
        "percentile means that fewer than ten samples lie beyond it. Parity is the largest "
        "absolute difference from the reference."
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
        f"start; GPU: {cell(env.gpu)}; {cell(env.system)}; Python {env.python}; {packages}. "
        f"Measured {result.created_utc}."
    )


def _paired(result: BenchResult) -> Iterator[tuple[Row | None, Row]]:
    """Return each row of the second bundle behind the first one's answer to the same question."""
    before, after = (facts.name for facts in result.bundles)
    old = {row.question: row for row in result.rows if row.bundle == before}
    shown, _ = split_rows(result)
    for row in shown:
        if row.bundle == after:
            yield old.get(row.question), row


def _change(before: int | None, after: int | None) -> str:
    return "–" if before is None or after is None else f.change(before, after)


def _table_head(cells: Sequence[str]) -> Iterator[str]:
    yield _line(cells)
    yield _line(["---", *["---:"] * (len(cells) - 1)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
