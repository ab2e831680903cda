"""Which runtime is the fastest, as far as the launches can tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.evidence.intervals import (
    FASTER,
    noise_floor,
    speedup_interval,
    speedup_of,
    verdict_on,
)
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.latency_columns import several_precisions


def fastest_remarks(result: BenchResult) -> list[str]:
    """Name the fastest way to run each bundle at each batch size, host to host, a sentence each.

    Launches alternate over runtimes, so those of one number are pairs. A runtime is only called
    faster than the next when the interval of the ratio clears the noise floor of both; else all
    that cannot be told from the fastest are named. Nothing is said of a runtime that was timed
    alone, and nothing without intervals.
    """
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in result.rows:
        if row.samples_s and row.boundary == HOST_TO_HOST:
            groups.setdefault((row.bundle, *row.question[2:]), []).append(row)
    precise = several_precisions(result.rows)
    return [words for rows in groups.values() for words in _of_group(rows, precise)]


def _of_group(rows: Sequence[Row], precise: bool) -> Iterator[str]:
    ranked = sorted(rows, key=lambda row: row.median_s or 0.0)
    first, others = ranked[0], ranked[1:]
    alike, behind = [first], None
    for row in others:
        between = speedup_interval(row.launch_medians_s, first.launch_medians_s)
        floor = noise_floor(row.launch_medians_s, first.launch_medians_s)
        verdict = verdict_on(between, floor)
        if verdict is None or between is None:
            return
        if verdict != FASTER:
            alike.append(row)
        elif behind is None:
            ahead = f.ratio(speedup_of(row.launch_medians_s, first.launch_medians_s))
            behind = f"{ahead} ({between.low:.2f} to {between.high:.2f}) ahead of "
            behind += _name(row, precise)
    if not others:
        return
    at = "" if first.rate_per_s is None else f", {f.rate(first.rate_per_s)}"
    where = f"{first.bundle}, batch {first.batch}{at}"
    names = " and ".join(_name(row, precise) for row in alike)
    if len(alike) == 1:
        yield f"{where}: {names} is the fastest of {len(ranked)}, {behind}"
    elif behind is None:
        yield f"{where}: no difference seen between {names}"
    else:
        yield f"{where}: {names} are the fastest, no difference seen between them; {behind}"


def _name(row: Row, precise: bool) -> str:
    name = f.served(row.runtime, row.served_by)
    return f"{name} {row.precision}" if precise else name
