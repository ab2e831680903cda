"""Results and bundles as a notebook shows them: what ``_repr_html_`` of both returns (ADR 0012).

Tables and sentences alone, in the notebook's own colours. No script and no picture, so that it
stays readable where a notebook is shown without running.
"""

from __future__ import annotations

from collections.abc import Iterator

from spinn_edge.bench.result import BenchResult
from spinn_edge.core.bundle import Bundle
from spinn_edge.report.footprints import footprint_sheet
from spinn_edge.report.left_out import split_rows
from spinn_edge.report.model_facts import files_sheet, manifest_sheet, scores_sheet
from spinn_edge.report.page.markup import Html, tag
from spinn_edge.report.page.sheet_table import sheet_table
from spinn_edge.report.pruning import audit_sheet
from spinn_edge.report.result_remarks import result_remarks
from spinn_edge.report.sheet import Sheet
from spinn_edge.report.sources import machine_label
from spinn_edge.report.tables.comparison import comparison_sheets
from spinn_edge.report.tables.latencies import latency_sheets

_STYLE = Html(
    ".spinn-edge .scroll { overflow-x: auto }"
    " .spinn-edge caption { text-align: left; font-weight: bold }"
    " .spinn-edge th, .spinn-edge td { text-align: left; overflow-wrap: anywhere; max-width: 24em }"
    " .spinn-edge .number { text-align: right; overflow-wrap: normal; max-width: none }"
)


def result_html(result: BenchResult) -> str:
    """Return every model beside the baseline, latencies, footprints, and what they mean."""
    footprints = footprint_sheet(split_rows(result)[0])
    where = f"{machine_label(result.environment)}. Measured {result.created_utc}."
    return _inside(
        *map(sheet_table, comparison_sheets(result)),
        *map(sheet_table, latency_sheets(result, brief=True)),
        *(() if footprints is None else (sheet_table(footprints),)),
        tag("ul", *(tag("li", remark) for remark in result_remarks(result))),
        tag("p", where),
    )


def bundle_html(bundle: Bundle) -> str:
    """Return what ``spinn-edge inspect`` prints: size, widths, pruning audit, scores, files."""
    return _inside(*map(sheet_table, _bundle_sheets(bundle)))


def _bundle_sheets(bundle: Bundle) -> Iterator[Sheet]:
    manifest = bundle.manifest
    yield manifest_sheet(manifest, bundle.name)
    if manifest.pruning is not None:
        yield audit_sheet(manifest.pruning)
    if manifest.training is not None:
        yield scores_sheet(manifest.training.scores, "Scores")
    yield files_sheet(bundle)


def _inside(*parts: Html) -> str:
    return tag("div", tag("style", _STYLE), *parts, class_="spinn-edge")
