"""Every row of every result in one table that can be sorted and filtered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from spinn_edge.bench.evidence.intervals import FASTER, SLOWER
from spinn_edge.bench.measurement import Row
from spinn_edge.report import formatting as f
from spinn_edge.report.latency_columns import SPANS
from spinn_edge.report.latency_tables import latency_tables
from spinn_edge.report.page.markup import Html, join, tag
from spinn_edge.report.page.sheet_table import cell_text, table
from spinn_edge.report.sources import NamedResult
from spinn_edge.report.tables.latencies import DASHES

_ONE_NAME = {"compute": "median", "service": "median"}
"""Titles under which some tables show the median of what was timed."""

_ORDER: Mapping[str, Callable[[Row], float | None]] = {
    "median": lambda row: row.median_s,
    "95 % interval": lambda row: row.median_interval_s.low if row.median_interval_s else None,
    "mean ± std": lambda row: row.mean_s,
    "p90": lambda row: row.p90_s,
    "p95": lambda row: row.p95_s,
    "p99": lambda row: row.p99_s,
    "p99.9": lambda row: row.p999_s,
    "speed-up": lambda row: row.speedup,
    "throughput": lambda row: row.throughput_per_s,
    "parity": lambda row: row.parity.max_abs if row.parity else None,
    "H2D": lambda row: row.upload_median_s,
    "D2H": lambda row: row.download_median_s,
    "kernels": lambda row: row.launches,
    "response": lambda row: row.pacing.response_median_s if row.pacing else None,
    "p99 response": lambda row: row.pacing.response_p99_s if row.pacing else None,
    "missed": lambda row: row.pacing.missed_share if row.pacing else None,
    "jitter": lambda row: row.pacing.jitter_s if row.pacing else None,
    "busy": lambda row: row.pacing.busy_share if row.pacing else None,
    "idle-gap penalty": lambda row: row.idle_gap_penalty,
}
"""What a column is sorted by; its text is for people. Columns stand in this order."""

_MARKS = {FASTER: ("▲ ", "faster"), SLOWER: ("▼ ", "slower")}
"""Before a speed-up, and the class of its cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A row with its figures.

    Attributes:
        result: name of the result.
        row: of it.
        figures: texts by title of their column.
    """

    result: str
    row: Row
    figures: Mapping[str, str]


def timings_table(results: Sequence[NamedResult]) -> Html:
    """Return filters, the table ``#results`` and what its figures span."""
    lines = [line for named in results for line in _lines(named)]
    several = len(results) > 1
    rated = any(line.row.rate_per_s is not None for line in lines)
    figures = [title for title in _ORDER if any(title in line.figures for line in lines)]
    names = ["result"] * several + ["bundle", "runtime", "precision", "batch", "boundary"]
    names += ["rate"] * rated + ["status"]
    head = tag(
        "tr",
        *(tag("th", title, scope="col", class_=_kind(title)) for title in names),
        *(tag("th", title, scope="col", class_="number") for title in figures),
        *(tag("th", title, scope="col", class_="number") for title in ("samples", "launches")),
    )
    body = (_table_row(line, names, figures) for line in lines)
    return join(
        [
            _filters(lines, several=several),
            tag("p", f"{len(lines)} rows", id="filter-count", role="status", aria_live="polite"),
            table("All rows, timed or not", head, body, even=True, id="results", class_="sortable"),
            tag("ul", *(tag("li", words) for words in _meaning(lines)), class_="note"),
        ]
    )


def _lines(named: NamedResult) -> Iterator[_Line]:
    figures: dict[int, dict[str, str]] = {}
    for part in latency_tables(named.result.rows):
        for row in part.rows:
            figures[id(row)] = {
                _ONE_NAME.get(column.title, column.title): column.text(row)
                for column in part.figures
            }
    for row in named.result.rows:
        yield _Line(result=named.name, row=row, figures=figures.get(id(row), {}))


def _table_row(line: _Line, names: Sequence[str], figures: Sequence[str]) -> Html:
    row = line.row
    cells = [_name_cell(title, line) for title in names]
    if row.samples_s:
        cells += [_figure_cell(title, line) for title in figures]
        counts = len(row.samples_s), len(row.launch_samples)
        cells += [tag("td", f"{n:,}", class_="number", data_sort=n) for n in counts]
    else:
        reason = cell_text(" ".join((row.reason or f.NOT_MEASURED).split()))
        cells.append(tag("td", tag("span", reason), class_="reason", colspan=len(figures) + 2))
    return tag(
        "tr",
        *cells,
        class_=None if row.samples_s else "not-timed",
        data_result=line.result,
        data_bundle=row.bundle,
        data_runtime=row.runtime,
        data_precision=row.precision,
        data_batch=row.batch,
        data_boundary=row.boundary,
        data_status=row.status,
    )


def _name_cell(title: str, line: _Line) -> Html:
    row = line.row
    if title == "batch":
        return tag("td", str(row.batch), class_="number", data_sort=row.batch)
    if title == "rate":
        rate = row.rate_per_s
        text = "–" if rate is None else f.rate(rate)
        return tag("td", text, class_="number", data_sort=None if rate is None else repr(rate))
    text = {
        "result": line.result,
        "bundle": row.bundle,
        "runtime": f.served(row.runtime, row.served_by),
        "precision": row.precision,
        "boundary": row.boundary,
        "status": row.status,
    }[title]
    if title == "bundle":
        return tag("th", tag("span", text, class_="name"), scope="row", class_=_kind(title))
    foreign = title in ("result", "runtime")
    return tag("td", tag("span", text, class_="name") if foreign else text)


def _figure_cell(title: str, line: _Line) -> Html:
    key = _ORDER[title](line.row)
    text, kind = line.figures.get(title, "–"), "number"
    if title == "speed-up" and line.row.verdict in _MARKS:
        mark, verdict = _MARKS[line.row.verdict]
        text, kind = f"{mark}{text}", f"number {verdict}"
    return tag("td", text, class_=kind, data_sort=None if key is None else repr(key))


def _kind(title: str) -> str | None:
    """Return the class of a column's cells; one that is kept stays in view beside the others."""
    return {"batch": "number", "rate": "number", "bundle": "kept"}.get(title)


def _filters(lines: Sequence[_Line], *, several: bool) -> Html:
    """Return the controls; without JavaScript they stay hidden, and all rows are there."""
    choices = {
        "result": [line.result for line in lines] if several else [],
        "bundle": [line.row.bundle for line in lines],
        "runtime": [line.row.runtime for line in lines],
        "precision": [line.row.precision for line in lines],
        "batch": [str(batch) for batch in sorted({line.row.batch for line in lines})],
        "boundary": [line.row.boundary for line in lines],
        "status": [line.row.status for line in lines],
    }
    text = tag("input", type="search", id="filter-text", autocomplete="off", spellcheck="false")
    return tag(
        "form",
        tag("label", "Any words", text),
        *(_choice(name, options) for name, options in choices.items() if options),
        tag("button", "Show all rows", type="reset", id="filter-reset"),
        id="filters",
        hidden=True,
        autocomplete="off",  # a page that is loaded again begins as at first
        aria_label="Filters of the table of all rows",
    )


def _choice(name: str, options: Sequence[str]) -> Html:
    every = tag("option", "all", value="")
    known = (tag("option", option, value=option) for option in dict.fromkeys(options))
    return tag("label", name, tag("select", every, *known, id=f"filter-{name}"))


def _meaning(lines: Sequence[_Line]) -> Iterator[str]:
    for boundary in dict.fromkeys(line.row.boundary for line in lines):
        yield f"{boundary}: {SPANS[boundary]}."
    if any(line.row.rate_per_s is not None for line in lines):
        yield (
            "At a rate: the median is that of the inference alone, the response counts from the "
            "tick at which it was due."
        )
    if len({line.row.boundary for line in lines}) > 1:
        yield "Figures of different boundaries are not comparable."
    threads = ", ".join(map(str, sorted({line.row.threads for line in lines})))
    yield f"CPU threads inside one operator: {threads}."
    yield f"{DASHES}."
    yield "Parity is the largest absolute difference from the reference."
    yield "▲ faster and ▼ slower than the baseline beyond the noise floor."
