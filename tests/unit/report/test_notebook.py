import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from spinn_edge.core.bundle import Bundle
from spinn_edge.report.model_facts import files_sheet, manifest_sheet, scores_sheet
from spinn_edge.report.result_remarks import result_remarks
from spinn_edge.report.sheet import Sheet
from spinn_edge.report.tables.comparison import comparison_sheets
from spinn_edge.report.tables.latencies import latency_sheets
from tests.unit.core.test_manifest import FULL_TRAINING
from tests.unit.report.results import DENSE, DENSE_SCORES, PRUNED, result, row
from tests.unit.report.test_console import AUDIT

TAGS = {
    *("div", "style", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li", "p"),
}


class Reader(HTMLParser):
    """Reads tables as texts, and every tag and attribute that it meets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "caption":
            self.captions.append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words += data
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data
        elif "caption" in self._open:
            self.captions[-1] += data


def lines_of(sheet: Sheet) -> list[list[str]]:
    return [[title.removeprefix(">") for title in sheet.head], *map(list, sheet.lines)]


def test_a_result_shows_the_tables_that_markdown_has():
    found = result()
    read = Reader(found._repr_html_())

    sheets = (*comparison_sheets(found), *latency_sheets(found, brief=True))
    assert read.tables[: len(sheets)] == list(map(lines_of, sheets))
    assert read.captions[: len(sheets)] == [sheet.title for sheet in sheets]


def test_a_result_shows_every_remark_and_the_machine():
    found = result()
    words = Reader(found._repr_html_()).words

    remarks = result_remarks(found)
    assert remarks
    assert all(remark in words for remark in remarks)
    assert "Xeon" in words
    assert found.created_utc in words


def test_a_result_alone_has_latencies_and_no_comparison():
    found = result((row("dense", 400e-6),), (DENSE,))

    assert Reader(found._repr_html_()).tables == [
        lines_of(sheet) for sheet in latency_sheets(found, brief=True)
    ]


def test_the_text_of_a_result_is_one_line_without_samples():
    text = repr(result())

    assert text == ("BenchResult(dense, pruned: 2 rows, measured 2026-01-02T03:04:05+00:00)")


def test_a_bundle_shows_its_facts_and_files(tiny_bundle: Bundle):
    read = Reader(tiny_bundle._repr_html_())

    assert read.tables == [
        lines_of(manifest_sheet(tiny_bundle.manifest, "tiny")),
        lines_of(files_sheet(tiny_bundle)),
    ]
    assert read.captions == ["tiny", "Files"]


def test_a_trained_and_pruned_bundle_shows_audit_and_scores(tiny_bundle: Bundle):
    training = replace(FULL_TRAINING, scores=DENSE_SCORES)
    manifest = replace(tiny_bundle.manifest, pruning=AUDIT, training=training)
    read = Reader(Bundle(root=tiny_bundle.root, manifest=manifest)._repr_html_())

    assert read.captions[1:3] == [
        "Pruning audit, share of the whole model's parameters",
        "Scores: rows of dense",
    ]
    assert lines_of(scores_sheet(DENSE_SCORES, "Scores")) in read.tables
    assert "210,135 (-68.5 %)" in read.words


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "\"'`onclick=alert(1) x=",
        "</td></table><img src=x onerror=alert(1)>",
        "</style><style>* { display: none }",
        "x" * 10_000,
        "a&amp;b",
    ],
)
def test_a_hostile_name_is_text(name: str, tiny_bundle: Bundle):
    facts = (DENSE, replace(PRUNED, name=name))
    found = result((row("dense", 4e-4), row(name, 1e-4, baseline_median_s=4e-4)), facts)
    manifest = replace(tiny_bundle.manifest, golden_source=name)
    for html in (
        found._repr_html_(),
        Bundle(root=tiny_bundle.root, manifest=manifest)._repr_html_(),
    ):
        read = Reader(html)
        assert name in [cell for table in read.tables for line in table for cell in line]
        assert read.tags <= TAGS
        assert not [name for name in read.attributes if name.startswith("on")]


def test_a_name_cannot_turn_the_direction_of_what_follows_it():
    facts = (DENSE, replace(PRUNED, name="dense\u202egnp"))
    html = result((row("dense", 4e-4), row("dense\u202egnp", 1e-4)), facts)._repr_html_()

    assert "\u202e" not in html
    assert "dense\ufffdgnp" in html


def test_a_bundle_loads_no_report_before_a_notebook_asks():
    code = (
        "import sys, spinn_edge.core.bundle, spinn_edge.bench.result\n"
        "assert not [name for name in sys.modules if name.startswith('spinn_edge.report')]"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
