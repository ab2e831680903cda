"""Names that a page can hold: the raw data keep them whole."""

from __future__ import annotations

from dataclasses import replace

from spinn_edge.bench.measurement import Row
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.sources import NamedResult, ReportSources

LONGEST = 80
"""Characters of a name that is shown whole."""


def readable(sources: ReportSources) -> ReportSources:
    """Return the sources with names that fit a table, unlike where they were unlike."""
    return replace(sources, results=tuple(map(_named, sources.results)))


def shown_name(name: str) -> str:
    """Return the name that the page shows; charts cut it in the same way."""
    return name if len(name) <= LONGEST else short_name(name)


def _named(named: NamedResult) -> NamedResult:
    result = named.result
    shown = replace(
        result,
        bundles=tuple(replace(facts, name=shown_name(facts.name)) for facts in result.bundles),
        rows=tuple(map(_readable_row, result.rows)),
    )
    if shown == result:
        return named
    raw = {key: value for key, value in named.raw.items() if key != "recommendations"}
    return replace(named, name=shown_name(named.name), result=shown, raw=raw)


def _readable_row(row: Row) -> Row:
    if max(map(len, (row.bundle, row.runtime, row.served_by, row.precision))) <= LONGEST:
        return row
    return replace(
        row,
        bundle=shown_name(row.bundle),
        runtime=shown_name(row.runtime),
        facts=row.facts and replace(row.facts, served_by=shown_name(row.facts.served_by)),
        precision=shown_name(row.precision),
    )
