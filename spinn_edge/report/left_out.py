"""Runtimes that cannot work here, out of the tables and into one line a reason."""

from __future__ import annotations

from collections.abc import Iterable

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult


def split_rows(result: BenchResult) -> tuple[list[Row], list[Row]]:
    """Return the rows that keep a line in a table, and those that are left out of it.

    Left out is what nobody named: where every runtime was tried, one that cannot be timed here
    at any batch size. One that was named keeps its line.
    """
    if not result.every_runtime:
        return list(result.rows), []
    tried = {_place(row) for row in result.rows if row.status != "unavailable"}
    kept = [row for row in result.rows if _place(row) in tried]
    return kept, [row for row in result.rows if _place(row) not in tried]


def left_out_lines(found: Iterable[tuple[str, str, str]], bundles: Iterable[str]) -> list[str]:
    """Return one line a reason: ``eager-cuda, trt: no NVIDIA driver``.

    Args:
        found: bundle, runtime, reason.
        bundles: all there are; a reason that holds for some of them only names them.
    """
    every = list(dict.fromkeys(bundles))
    holds: dict[tuple[str, str], list[str]] = {}
    for bundle, runtime, reason in found:
        named = holds.setdefault((runtime, " ".join(reason.split())), [])
        named += [] if bundle in named else [bundle]
    lines: dict[str, list[str]] = {}
    for (runtime, reason), named in holds.items():
        where = "" if set(named) == set(every) else f" ({', '.join(named)})"
        lines.setdefault(reason, []).append(f"{runtime}{where}")
    return [f"{', '.join(runtimes)}: {reason}" for reason, runtimes in lines.items()]


def _place(row: Row) -> tuple[str, str, str, str]:
    return row.bundle, row.runtime, row.precision, row.boundary
