"""The rows of one result as charts take them: which may stand together, and their texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.legend import runtime_name
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.sheet import Sheet

FACTS = {
    "model": "model",
    "runtime": "runtime",
    "shown": "of",
    "median": "median",
    "interval": "95 % interval",
    "p90": "p90",
    "p99": "p99",
    "p999": "p99.9",
    "slowest": "slowest",
    "samples": "samples",
}
"""Titles of the texts that :func:`facts_of` gives, by their field."""

NOTHING_TIMED = "not measured: no row was timed; measure with: spinn-edge bench MODEL"


def timed_rows(result: BenchResult) -> list[Row]:
    """Return the rows whose inferences follow each other, host to host first."""
    rows = [row for row in result.rows if row.samples_s and row.rate_per_s is None]
    return sorted(rows, key=lambda row: row.boundary != HOST_TO_HOST)


def shown_of(row: Row, rows: Sequence[Row]) -> str:
    """Return which of the rows these can be compared with it: ``batch 1``, or with the boundary."""
    several = len({other.boundary for other in rows}) > 1
    return f"{row.boundary}, batch {row.batch}" if several else f"batch {row.batch}"


def facts_of(row: Row, rows: Sequence[Row]) -> dict[str, str]:
    """Return what a tooltip says of a row, by the fields of ``FACTS``."""
    return {
        "model": short_name(row.bundle),
        "runtime": short_name(runtime_name(row)),
        "shown": shown_of(row, rows),
        "median": f.seconds(row.median_s),
        "interval": f.span(row.median_interval_s, f.seconds),
        "p90": f.seconds(row.p90_s),
        "p99": f.seconds(row.p99_s),
        "p999": f.seconds(row.p999_s),
        "slowest": f.seconds(max(row.samples_s)),
        "samples": f"{f.whole(len(row.samples_s))} in {len(row.launch_samples)} launches",
    }


def latency_sheet(title: str, rows: Sequence[Row]) -> Sheet:
    """Return :func:`facts_of` as a table, names whole."""
    figures = [key for key in FACTS if key not in ("model", "runtime", "shown")]
    lines = []
    for row in rows:
        facts = facts_of(row, rows)
        names = (row.bundle, runtime_name(row), facts["shown"])
        lines.append((*names, *(facts[key] for key in figures)))
    head = ("model", "runtime", "of", *(f">{FACTS[key]}" for key in figures))
    return Sheet(title=title, head=head, lines=tuple(lines))


def names_of(rows: Iterable[Row]) -> list[str]:
    """Return every name that the rows hold, whole."""
    return list(dict.fromkeys(name for row in rows for name in (row.bundle, runtime_name(row))))


def runtimes_of(rows: Iterable[Row]) -> list[str]:
    """Return the runtimes, in order."""
    return list(dict.fromkeys(map(runtime_name, rows)))


def models_of(rows: Iterable[Row]) -> list[str]:
    """Return the bundles, in order."""
    return list(dict.fromkeys(row.bundle for row in rows))
