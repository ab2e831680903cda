"""The results tables in Markdown, from measured values only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spinn_edge.bench.measurement import BOUNDARY, BenchResult, BundleFacts, Row
from spinn_edge.report import formatting as f
from spinn_edge.report.remarks import row_remarks, score_remarks


def results_markdown(result: BenchResult) -> str:
    """Return comparison, all rows, and the machine.

    The comparison (parameters, size, scores, latency; value, value, change) needs a baseline.
    """
    parts = ["# Results", ""]
    if len(result.bundles) == 2:
        parts += [*_comparison(result), ""]
    parts += [*_rows(result), "", *_notes(result), "", *_environment(result), ""]
    return "\n".join(parts)


def _comparison(result: BenchResult) -> Iterator[str]:
    before, after = result.bundles
    yield from _table_head(["", _cell(before.name), _cell(after.name), "change"])
    yield from _fact_lines(before, after)
    yield from _score_lines(before, after)
    for old, new in _paired(result):
        label = f"latency, {_cell(new.runtime)}, batch {new.batch}, median"
        if old.median_s is None or new.median_s is None:
            yield _line([label, f.NOT_MEASURED, f.NOT_MEASURED, "–"])
        else:
            yield _line(
                [
                    label,
                    f.seconds(old.median_s),
                    f.seconds(new.median_s),
                    f"{f.change(old.median_s, new.median_s)} ({f.ratio(new.speedup)})",
                ]
            )


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
        (f"size of {_cell(path)}", before.file_bytes[path], after.file_bytes[path])
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
                f"R² {_cell(name)}",
                f.score(old.r2[name]),
                f.score(new.r2[name]),
                f.difference(old.r2[name], new.r2[name]),
            ]
        )
    for name in shared:
        yield _line(
            [
                f"RMSE {_cell(name)}",
                f.magnitude(old.rmse[name]),
                f.magnitude(new.rmse[name]),
                f.change(old.rmse[name], new.rmse[name]),
            ]
        )
    for name in shared:
        yield _line(
            [
                f"R² {_cell(name)}, linear regression",
                f.score(old.linear_r2[name]),
                f.score(new.linear_r2[name]),
                "",
            ]
        )


def _rows(result: BenchResult) -> Iterator[str]:
    yield from _table_head(
        [
            "bundle",
            "runtime",
            "batch",
            "status",
            "median",
            "mean ± std",
            "p90",
            "p99",
            "throughput",
            "speed-up",
            "parity max abs",
            "samples",
            "launches",
        ]
    )
    for row in result.rows:
        spread = "–" if row.mean_s is None else f"{f.seconds(row.mean_s)} ± {f.seconds(row.std_s)}"
        parity = row.parity.max_abs if row.parity else None
        yield _line(
            [
                _cell(row.bundle),
                _cell(row.runtime),
                str(row.batch),
                row.status,
                f.seconds(row.median_s),
                spread,
                f.seconds(row.p90_s),
                f.seconds(row.p99_s),
                f.per_second(row.throughput_per_s),
                f.ratio(row.speedup),
                f.magnitude(parity),
                str(len(row.samples_s)),
                str(len(row.launch_samples)),
            ]
        )


def _notes(result: BenchResult) -> Iterator[str]:
    threads = sorted({row.threads for row in result.rows})
    yield (
        f"Boundary of every latency: {BOUNDARY} (numpy in, numpy out, copies included). Threads: "
        f"{', '.join(map(str, threads))}. A dash under p90 or p99 means that fewer than ten "
        "samples lie beyond it."
    )
    for facts in result.bundles:
        if facts.scores is not None:
            yield f"\nScores of {_cell(facts.name)}: {_cell(facts.scores.source)}."
            for remark in score_remarks(facts.scores, facts.name):
                yield f"\n- {_cell(remark)}."
    yield from (f"\n- {_cell(remark)}" for remark in row_remarks(result))


def _environment(result: BenchResult) -> Iterator[str]:
    env = result.environment
    packages = ", ".join(f"{name} {version}" for name, version in env.packages.items())
    load = f.NOT_MEASURED if env.load_1min is None else env.load_1min
    yield (
        f"Machine: {_cell(env.cpu)}, {env.cores} cores ({env.affinity} usable), load {load} at the "
        f"start; GPU: {_cell(env.gpu)}; {_cell(env.system)}; Python {env.python}; {packages}. "
        f"Measured {result.created_utc}."
    )


def _paired(result: BenchResult) -> Iterator[tuple[Row, Row]]:
    before, after = (facts.name for facts in result.bundles)
    old = {(row.runtime, row.batch): row for row in result.rows if row.bundle == before}
    for row in result.rows:
        if row.bundle == after:
            yield old[row.runtime, row.batch], row


def _change(before: int | None, after: int | None) -> str:
    return "–" if before is None or after is None else f.change(before, after)


def _table_head(cells: Sequence[str]) -> Iterator[str]:
    yield _line(cells)
    yield _line(["---", *["---:"] * (len(cells) - 1)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Return foreign text that cannot break out of a table cell or become markup."""
    flat = " ".join(text.split())
    for character in "\\`*_[]<>|":
        flat = flat.replace(character, f"\\{character}")
    return flat
