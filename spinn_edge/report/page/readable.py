"""Names that a page can hold: the raw data keep them whole."""

from __future__ import annotations

from dataclasses import replace

from spinn_edge.report.charts.names import short_name
from spinn_edge.report.sources import NamedResult, ReportSources

LONGEST = 80
"""Characters of a name that is shown whole."""


def readable(sources: ReportSources) -> ReportSources:
    """Return the sources with names of models that fit a table, unlike where they were unlike."""
    return replace(sources, results=tuple(map(_named, sources.results)))


def shown_name(name: str) -> str:
    """Return the name that the page shows; charts cut it in the same way."""
    return name if len(name) <= LONGEST else short_name(name)


def _named(named: NamedResult) -> NamedResult:
    result = named.result
    names = {facts.name: shown_name(facts.name) for facts in result.bundles}
    if all(name == shown for name, shown in names.items()):
        return named
    raw = {key: value for key, value in named.raw.items() if key != "recommendations"}
    shown = replace(
        result,
        bundles=tuple(replace(facts, name=names[facts.name]) for facts in result.bundles),
        rows=tuple(replace(row, bundle=names.get(row.bundle, row.bundle)) for row in result.rows),
    )
    return replace(named, name=shown_name(named.name), result=shown, raw=raw)
