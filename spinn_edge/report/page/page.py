"""The whole page.

What tests and other programs may rely on:

- sections, in this order: ``#advice``, ``#models``, ``#timings``, ``#speed-up``,
  ``#distribution``, ``#pareto``, ``#rates``, ``#waterfall``, ``#parity``, ``#footprint``,
  ``#roofline``, ``#more`` (other charts; only where there are any), ``#environment``, ``#data``;
- ``table#results`` holds every row of every result in their order, timed or not: its cells in
  ``tbody tr``, whose ``data-result``, ``data-bundle``, ``data-runtime``, ``data-precision``,
  ``data-batch``, ``data-boundary`` and ``data-status`` say which row it is. A row without samples
  has the class ``not-timed`` and its reason in ``td.reason``, which spans all figures. A cell of a
  number has its unrounded value in ``data-sort``;
- the script puts a ``button`` into each ``#results th`` of the head and keeps ``aria-sort``
  (``none``, ``ascending``, ``descending``) on the ``th``;
- filters: ``input#filter-text``, ``select#filter-runtime``, ``#filter-bundle``,
  ``#filter-precision``, ``#filter-batch``, ``#filter-boundary``, ``#filter-status``, with several
  results ``#filter-result``; ``button#filter-reset`` shows all rows; how many are seen stands in
  ``#filter-count``. Where some rows were timed and some were not, ``#filter-status`` begins at
  ``ok``, and the count names what is hidden. Without the script, and in print, all rows are there;
- ``a#download-json``, ``a#download-csv`` (further tables ``#download-csv-2`` and so on);
- ``button#theme`` switches ``data-theme`` of ``html`` and tells scripts by the event
  ``themechange`` of the document, whose ``detail`` is ``light`` or ``dark``;
- each chart is in ``#place-ID``, with the class ``drawn`` or ``missing``; what is inside the figure
  is described in ``charts/charts.js``. A place is as tall as its chart before that is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from spinn_edge.bench.result import BenchResult
from spinn_edge.core.bundle import Bundle
from spinn_edge.report.charts.chart import Chart
from spinn_edge.report.charts.drawing import charts_of
from spinn_edge.report.charts.embedding import CHART_CSS, embed_scripts, script_sources
from spinn_edge.report.json_document import bench_document
from spinn_edge.report.page.cards import model_cards
from spinn_edge.report.page.chart_places import chart_place, section_of
from spinn_edge.report.page.downloads import downloads
from spinn_edge.report.page.head import masthead, page_title, policy
from spinn_edge.report.page.machine import machine_sheet
from spinn_edge.report.page.markup import Html, join, tag
from spinn_edge.report.page.parity_matrix import parity_matrix
from spinn_edge.report.page.readable import readable
from spinn_edge.report.page.remarks_list import advice
from spinn_edge.report.page.sheet_table import short_table
from spinn_edge.report.page.timings import timings_table
from spinn_edge.report.sources import NamedResult, ReportSources
from spinn_edge.report.tables.comparison import comparison_sheets

_TITLES = {
    "advice": "What follows",
    "models": "Models",
    "timings": "All timings",
    "speed-up": "Speed-up",
    "distribution": "How latencies spread",
    "pareto": "Latency against score",
    "rates": "Throughput and deadlines",
    "waterfall": "Where errors come from",
    "parity": "Parity",
    "footprint": "What a process costs",
    "roofline": "How near to the machine's limit",
    "more": "More",
    "environment": "Machine",
    "data": "Raw data",
}
"""Sections by their id, in order."""


def render_page(sources: ReportSources) -> str:
    """Return an HTML document that holds all it needs: styles, scripts, charts and raw data."""
    shown = readable(sources)
    charts = charts_of(shown)
    own = _asset("script.js")
    contents = [(name, _content(name, shown, charts)) for name in _TITLES if name != "data"]
    sections = [_section(name, content) for name, content in contents if content]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        policy(own, script_sources()),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", page_title(shown)),
        tag("style", Html(_asset("style.css") + CHART_CSS)),
    )
    scripts = join([tag("script", Html(own)), Html(embed_scripts())])
    held_bytes = sum(len(part.encode("utf-8")) for part in (*sections, head, scripts))
    sections.append(_section("data", downloads(sources, held_bytes=held_bytes)))
    body = tag(
        "body",
        tag("a", "To the content", href="#content", class_="skip"),
        masthead(shown),
        _contents([*(name for name, content in contents if content), "data"]),
        tag("main", *sections, id="content", tabindex=-1),
        tag("footer", tag("p", "This file asks the network for nothing."), class_="note"),
        scripts,
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def run_page(
    result: BenchResult, bundles: Sequence[Bundle] = (), document: Mapping[str, Any] | None = None
) -> str:
    """Return the page of a result that was just measured.

    Args:
        result: what was measured.
        bundles: what was timed, the baseline first.
        document: what is published of it; None for that of ``spinn-edge bench``.
    """
    raw = bench_document(result) if document is None else document
    notes = tuple(map(str, raw.get("notes", ())))
    named = NamedResult.of("results", result, raw)
    return render_page(ReportSources(results=(named,), bundles=tuple(bundles), notes=notes))


def _content(name: str, shown: ReportSources, charts: Sequence[Chart]) -> Html:
    """Return a section's charts and what the page adds."""
    places = [chart_place(chart) for chart in charts if section_of(chart) == name]
    own = {
        "advice": lambda: advice(shown),
        "models": lambda: join([model_cards(shown), *_comparisons(shown)]),
        "timings": lambda: timings_table(shown.results),
        "parity": lambda: join(_parities(shown.results)),
        "environment": lambda: join(short_table(machine_sheet(n)) for n in shown.results),
    }
    added = [own[name]()] if name in own else []
    return join([*added, *places] if name == "models" else [*places, *added])


def _section(name: str, content: Html) -> Html:
    heading = tag("h2", _TITLES[name], id=f"{name}-title")
    return tag("section", heading, content, id=name, aria_labelledby=f"{name}-title")


def _contents(names: Sequence[str]) -> Html:
    links = (tag("li", tag("a", _TITLES[name], href=f"#{name}")) for name in names)
    return tag("nav", tag("ul", *links), aria_label="Sections")


def _comparisons(sources: ReportSources) -> Iterator[Html]:
    for named in sources.results:
        for sheet in comparison_sheets(named.result):
            yield tag("details", tag("summary", sheet.title), short_table(sheet))


def _parities(results: Sequence[NamedResult]) -> Iterator[Html]:
    for named in results:
        yield parity_matrix(named.result.rows, named.name if len(results) > 1 else "")


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
