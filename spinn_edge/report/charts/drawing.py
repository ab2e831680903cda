"""All charts of a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from spinn_edge.bench.result import BenchResult
from spinn_edge.report.charts.chart import Chart
from spinn_edge.report.charts.deadlines import deadlines_chart
from spinn_edge.report.charts.distribution import distribution_chart
from spinn_edge.report.charts.error_steps import REASON as NO_WATERFALL
from spinn_edge.report.charts.error_steps import TITLE as WATERFALL_TITLE
from spinn_edge.report.charts.error_steps import error_steps_chart
from spinn_edge.report.charts.footprint import memory_chart, start_chart
from spinn_edge.report.charts.latency import latency_chart
from spinn_edge.report.charts.legend import Legend
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.charts.pareto import pareto_chart
from spinn_edge.report.charts.parity import parity_chart
from spinn_edge.report.charts.progression import NO_BUNDLE, progression_chart
from spinn_edge.report.charts.progression import TITLE as PRUNING_TITLE
from spinn_edge.report.charts.rooflines import REASON as NO_ROOFLINE
from spinn_edge.report.charts.rooflines import TITLE as ROOFLINE_TITLE
from spinn_edge.report.charts.rooflines import roofline_chart
from spinn_edge.report.charts.speedup import speedup_chart
from spinn_edge.report.charts.throughput import throughput_chart
from spinn_edge.report.sources import ReportSources

_OF_A_RESULT: tuple[Callable[[BenchResult, Legend, int], Chart], ...] = (
    *(latency_chart, speedup_chart, distribution_chart, pareto_chart, throughput_chart),
    *(deadlines_chart, start_chart, memory_chart, parity_chart),
)


def charts_of(sources: ReportSources) -> tuple[Chart, ...]:
    """Return every chart of a report, and for what was not measured a chart with the reason.

    Results stand beside each other, each in charts of its own, so machines are never mixed.

    Raises:
        BundleError: a document of another command is damaged.
    """
    legend = Legend.of(sources)
    return tuple(
        [
            *_of_results(sources, legend),
            *_of_waterfalls(sources),
            *_of_explanations(sources, legend),
            *_of_bundles(sources, legend),
        ]
    )


def _of_results(sources: ReportSources, legend: Legend) -> Iterator[Chart]:
    several = len(sources.results) > 1
    for draw in _OF_A_RESULT:
        for number, named in enumerate(sources.results, start=1):
            chart = draw(named.result, legend, number)
            machine = f": {short_name(named.name)} ({named.machine})" if several else ""
            yield replace(chart, title=f"{chart.title}{machine}")


def _of_waterfalls(sources: ReportSources) -> Iterator[Chart]:
    if not sources.waterfalls:
        yield Chart(id="waterfall-1", title=WATERFALL_TITLE, caption="", reason=NO_WATERFALL)
    for number, document in enumerate(sources.waterfalls, start=1):
        yield error_steps_chart(document, number)


def _of_explanations(sources: ReportSources, legend: Legend) -> Iterator[Chart]:
    if not sources.explanations:
        yield Chart(id="roofline-1", title=ROOFLINE_TITLE, caption="", reason=NO_ROOFLINE)
    for number, document in enumerate(sources.explanations, start=1):
        yield roofline_chart(document, legend, number)


def _of_bundles(sources: ReportSources, legend: Legend) -> Iterator[Chart]:
    """Yield the rounds of each pruned bundle; of those that were not pruned no chart is missing."""
    charts = [
        progression_chart(bundle, legend, number)
        for number, bundle in enumerate(sources.bundles, start=1)
    ]
    drawn = [chart for chart in charts if chart.spec is not None]
    yield from drawn or charts[:1] or [_no_bundle()]


def _no_bundle() -> Chart:
    return Chart(id="pruning-1", title=PRUNING_TITLE, caption="", reason=NO_BUNDLE)
