"""What tables mean, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spinn_edge.accuracy.verification import Verification
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.bench.understanding.launch_bound import (
    GRAPH_RUNTIMES,
    LAUNCHES,
    LaunchVerdict,
    launch_verdicts,
)
from spinn_edge.core.manifest import Scores
from spinn_edge.report import formatting as f
from spinn_edge.report.latency_columns import several_precisions
from spinn_edge.report.left_out import left_out_lines, split_rows
from spinn_edge.report.notices import notice_lines, row_notices
from spinn_edge.report.runtime_status import RuntimeStatus


def score_remarks(scores: Scores, name: str) -> list[str]:
    """Return a sentence for each target that a network predicts badly, and none for a good one.

    Args:
        scores: of the network, with the linear regression's beside them.
        name: of the network.
    """
    remarks = []
    for target, score in scores.r2.items():
        linear = scores.linear_r2.get(target)
        if score is None:
            remarks.append(f"{name}, {target}: constant over the scored rows, so it has no R²")
        elif score < 0:
            remarks.append(
                f"{name}, {target}: R² is below 0: the mean of the scored rows predicts it better"
            )
        elif linear is not None and linear > score:
            remarks.append(
                f"{name}, {target}: a linear regression scores higher "
                f"({f.score(linear)} against {f.score(score)})"
            )
    return remarks


def row_remarks(result: BenchResult) -> list[str]:
    """Return what the latency tables do not say by themselves, a sentence each.

    In this order: what was not timed and why, what was not compared and why, what really loaded,
    and which inferences wait for their launches.
    """
    shown, left_out = split_rows(result)
    bundles = [facts.name for facts in result.bundles]
    precise = several_precisions(result.rows)
    lines = left_out_lines(
        ((row.bundle, _runtime(row, precise), row.reason or "") for row in left_out), bundles
    )
    return [
        *(f"not timed: {line}" for line in lines),
        *_reasons(shown),
        *_not_compared(result, precise),
        *row_notices(shown),
        *(_launch_words(verdict) for verdict in launch_verdicts(result.rows)),
    ]


def verification_remarks(verification: Verification, *, every_runtime: bool = False) -> list[str]:
    """Return what the table of a verification does not say by itself, a sentence each.

    Args:
        verification: the checks.
        every_runtime: no runtime was named: those that cannot work here come as one line a reason.
    """
    several = len(verification.precisions) > 1
    left_out = (
        (verification.bundle, f"{s.runtime} {s.precision}" if several else s.runtime, s.reason)
        for s in (verification.skipped if every_runtime else ())
    )
    loaded = ((f.served(c.runtime, c.served_by), c.notices) for c in verification.checks)
    return [
        *(f"not run: {line}" for line in left_out_lines(left_out, [verification.bundle])),
        *notice_lines(loaded),
    ]


def install_remarks(statuses: Sequence[RuntimeStatus]) -> list[str]:
    """Return what to type for runtimes that cannot work here, each advice once."""
    lines = notice_lines((s.name, (s.install,)) for s in statuses if s.install)
    return [f"to run {line}" for line in lines]


def _reasons(rows: Sequence[Row]) -> Iterator[str]:
    """Say why rows were not timed, those of one reason together."""
    precise = several_precisions(rows)
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    spans: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        spans.setdefault(_asked(row), set()).add(_span(row))
        if row.reason is not None:
            key = (row.bundle, _runtime(row, precise), row.status, row.reason)
            groups.setdefault(key, []).append(row)
    for (bundle, runtime, status, reason), group in groups.items():
        sizes = ", ".join(dict.fromkeys(str(row.batch) for row in group))
        where = _where(group, spans[_asked(group[0])])
        yield (f"{bundle}, {runtime}, batch {sizes}{where}: {status}: " + " ".join(reason.split()))


def _where(group: Sequence[Row], own: set[str]) -> str:
    """Name the boundaries and rates of a group, unless it is all that its runtime has: ``own``."""
    held = list(dict.fromkeys(_span(row) for row in group))
    return "" if set(held) == own else f", {', '.join(held)}"


def _span(row: Row) -> str:
    return row.boundary if row.rate_per_s is None else f.rate(row.rate_per_s)


def _not_compared(result: BenchResult, precise: bool) -> Iterator[str]:
    """Say which rows have no speed-up because the baseline was served in another way."""
    baselines = {facts.name for facts in result.bundles if facts.baseline}
    asked = {row.question: row for row in result.rows if row.bundle in baselines and row.samples_s}
    said = set()
    for row in result.rows:
        before = asked.get(row.question)
        if row.bundle in baselines or not row.samples_s or before is None:
            continue
        if row.conditions != before.conditions:
            words = (
                f"{row.bundle}, {_runtime(row, precise)}: not compared with {before.bundle}: "
                f"{row.served_how} here, {before.served_how} there"
            )
            if words not in said:
                yield words
            said.add(words)


def _launch_words(verdict: LaunchVerdict) -> str:
    kernels = "1 kernel" if verdict.kernels == 1 else f"{verdict.kernels} kernels"
    where = f"{verdict.bundle}, {verdict.runtime}, {verdict.precision}, batch {verdict.batch}"
    if verdict.bound_by == LAUNCHES:
        return (
            f"{where}: launch-bound: the host takes {f.seconds(verdict.enqueue_s)} to start "
            f"{kernels} ({f.seconds(verdict.gap_s)} each), the device is done after "
            f"{f.seconds(verdict.device_s)}, so it waits for the host; what helps: a CUDA graph "
            f"({', '.join(GRAPH_RUNTIMES)}), or a larger batch"
        )
    each = f.seconds(verdict.device_s / verdict.kernels)
    return (
        f"{where}: at the floor of its kernels: {kernels} in a CUDA graph take "
        f"{f.seconds(verdict.device_s)} ({each} each), about what a kernel takes to begin and end; "
        "what helps: a larger batch, or fewer layers"
    )


def _runtime(row: Row, precise: bool) -> str:
    name = f.served(row.runtime, row.served_by)
    return f"{name} {row.precision}" if precise else name


def _asked(row: Row) -> tuple[str, str, str]:
    return row.bundle, row.runtime, row.precision
