"""A model beside its baseline: size, scores and latency; value, value, change."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from spinn_edge.bench.evidence.intervals import NO_DIFFERENCE
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.report import formatting as f
from spinn_edge.report.latency_columns import several_precisions
from spinn_edge.report.left_out import split_rows
from spinn_edge.report.sheet import Sheet

Line = tuple[str, str, str, str]


def comparison_sheets(result: BenchResult) -> tuple[Sheet, ...]:
    """Return a table for each model beside the first, the baseline; none for a model alone."""
    before, *others = result.bundles
    lines = _latency_lines(result, before.name)
    return tuple(
        Sheet(
            title=f"{after.name} beside {before.name}",
            head=("", f">{before.name}", f">{after.name}", ">change"),
            lines=(
                *_fact_lines(before, after),
                *_score_lines(before, after),
                *lines.get(after.name, ()),
            ),
        )
        for after in others
    )


def latency_change(before: Row, after: Row) -> str:
    """Return ``-75.0 %, 4.06× (4.00 to 4.12)``, or that no difference was seen.

    Args:
        before: the baseline's row.
        after: the answer of another model to the same question; both were timed.
    """
    if before.conditions != after.conditions:
        return "not comparable"
    if after.verdict == NO_DIFFERENCE:
        return NO_DIFFERENCE
    assert before.median_s is not None
    assert after.median_s is not None
    return f"{f.change(before.median_s, after.median_s)}, {f.speedup(after)}"


def _latency_lines(result: BenchResult, before: str) -> dict[str, list[Line]]:
    """Return a line for each row of each model, behind the baseline's answer to its question."""
    answers = {row.question: row for row in result.rows if row.bundle == before}
    precise = several_precisions(result.rows)
    bounded = len({row.boundary for row in result.rows}) > 1
    lines: dict[str, list[Line]] = {}
    shown, _ = split_rows(result)
    for new in shown:
        label, old = _latency_label(new, precise, bounded), answers.get(new.question)
        line = label, f.NOT_MEASURED, f.NOT_MEASURED, "–"
        if old is not None and old.median_s is not None and new.median_s is not None:
            change = latency_change(old, new)
            line = label, f.seconds(old.median_s), f.seconds(new.median_s), change
        lines.setdefault(new.bundle, []).append(line)
    return lines


def _latency_label(row: Row, precise: bool, bounded: bool) -> str:
    """Name a latency by runtime and batch, and by what else differs in the result."""
    parts = ["latency", f.served(row.runtime, row.served_by)]
    parts += [row.precision] if precise else []
    parts += [f"batch {row.batch}"]
    parts += [row.boundary] if bounded else []
    parts += [] if row.rate_per_s is None else [f"{f.rate(row.rate_per_s)}, service"]
    return ", ".join([*parts, "median"])


def _fact_lines(before: BundleFacts, after: BundleFacts) -> Iterator[Line]:
    if before.widths and after.widths:
        yield "widths", f.dashed(before.widths), f.dashed(after.widths), ""
    facts: list[tuple[str, int | None, int | None, Callable[[int | None], str]]] = [
        ("parameters", before.parameters, after.parameters, f.whole),
        ("FLOPs per sample", before.flops_per_sample, after.flops_per_sample, f.whole),
        ("parameter bytes", before.parameter_bytes, after.parameter_bytes, f.size),
    ]
    facts += [
        (f"size of {path}", before.file_bytes[path], after.file_bytes[path], f.size)
        for path in before.file_bytes
        if path in after.file_bytes
    ]
    for label, old, new, shown in facts:
        change = "–" if old is None or new is None else f.change(old, new)
        yield label, shown(old), shown(new), change


def _score_lines(before: BundleFacts, after: BundleFacts) -> Iterator[Line]:
    old, new = before.scores, after.scores
    if old is None or new is None:
        yield "R², RMSE", f.NOT_MEASURED, f.NOT_MEASURED, "–"
        return
    shared = [name for name in old.r2 if name in new.r2]
    scores = [("R² overall", old.r2_overall, new.r2_overall)]
    scores += [(f"R² {name}", old.r2[name], new.r2[name]) for name in shared]
    for label, r2, r2_now in scores:
        yield label, f.score(r2), f.score(r2_now), f.difference(r2, r2_now)
    for name in shared:
        if name in old.rmse and name in new.rmse:
            was, is_now = old.rmse[name], new.rmse[name]
            yield f"RMSE {name}", f.magnitude(was), f.magnitude(is_now), f.change(was, is_now)
    for name in shared:
        if name in old.linear_r2 and name in new.linear_r2:
            linear = f.score(old.linear_r2[name]), f.score(new.linear_r2[name])
            yield f"R² {name}, linear regression", *linear, ""
