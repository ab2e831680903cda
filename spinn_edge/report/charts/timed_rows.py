"""The rows of one result as charts take them: which may stand together, and their texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.legend import runtime_name
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.sheet import Sheet

NAMES = {"model": "model", "runtime": "runtime", "shown": "of"}
"""Titles of the texts that :func:`namer` gives, by their field."""

_WORDS = frozenset({"frontier"})
"""Fields whose texts are no figures."""

FACTS = {
    **NAMES,
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


def namer(rows: Iterable[Row]) -> Callable[[Row], dict[str, str]]:
    """Return what gives each of these rows its names, by the fields of ``NAMES``.

    ``shown`` says which of the others can be compared with it: ``batch 1``, or with the boundary
    where there are several.
    """
    several = len({row.boundary for row in rows}) > 1

    def names(row: Row) -> dict[str, str]:
        batch = f"batch {row.batch}"
        return {
            "model": short_name(row.bundle),
            "runtime": short_name(runtime_name(row)),
            "shown": f"{row.boundary}, {batch}" if several else batch,
        }

    return names


def facts_of(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Return what a tooltip says of each row, by the fields of ``FACTS``."""
    names = namer(rows)
    return [
        {
            **names(row),
            "median": f.seconds(row.median_s),
            "interval": f.span(row.median_interval_s, f.seconds),
            "p90": f.seconds(row.p90_s),
            "p99": f.seconds(row.p99_s),
            "p999": f.seconds(row.p999_s),
            "slowest": f.seconds(max(row.samples_s)),
            "samples": f"{f.whole(len(row.samples_s))} in {len(row.launch_samples)} launches",
        }
        for row in rows
    ]


def facts_sheet(
    title: str,
    rows: Sequence[Row],
    facts: Sequence[Mapping[str, str]],
    titles: Mapping[str, str] = FACTS,
) -> Sheet:
    """Return the texts of a chart's tooltips as a table, names whole.

    Args:
        title: above it.
        rows: of the chart.
        facts: of each row, the fields of :func:`namer` among them.
        titles: of the fields, those of ``NAMES`` among them.
    """
    figures = [key for key in titles if key not in NAMES]
    head = (titles[key] if key in _WORDS else f">{titles[key]}" for key in figures)
    return Sheet(
        title=title,
        head=(*NAMES.values(), *head),
        lines=tuple(
            (row.bundle, runtime_name(row), held["shown"], *(held[key] for key in figures))
            for row, held in zip(rows, facts, strict=True)
        ),
    )


def names_of(rows: Iterable[Row]) -> list[str]:
    """Return every name that the rows hold, whole."""
    return list(dict.fromkeys(name for row in rows for name in (row.bundle, runtime_name(row))))


def runtimes_of(rows: Iterable[Row]) -> list[str]:
    """Return the runtimes, in order."""
    return list(dict.fromkeys(map(runtime_name, rows)))


def models_of(rows: Iterable[Row]) -> list[str]:
    """Return the bundles, in order."""
    return list(dict.fromkeys(row.bundle for row in rows))
