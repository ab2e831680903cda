"""Charts inside a page: nothing in a result becomes markup or code."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from spinn_edge.report.charts.chart import Chart
from spinn_edge.report.charts.drawing import charts_of
from spinn_edge.report.charts.embedding import (
    chart_block,
    embed_scripts,
    json_script,
    script_sources,
)
from spinn_edge.report.sources import ReportSources
from tests.unit.report.sources import HOSTILE, hostile, named


class Elements(HTMLParser):
    """Collects elements, and the text of scripts, as a browser splits them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self._open = [], [], None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "script":
            self._open = [dict(attrs), ""]
            self.scripts.append(self._open)

    def handle_endtag(self, tag):
        if tag == "script":
            self._open = None

    def handle_data(self, data):
        if self._open is not None:
            self._open[1] += data


@pytest.mark.parametrize("name", [*HOSTILE, "</script><script>alert(1)</script>", "<!--<script>"])
def test_a_hostile_name_ends_no_element_and_is_read_back(name):
    for chart in charts_of(ReportSources(results=(named(hostile(name)),))):
        if chart.spec is None:
            continue
        found = Elements(chart_block(chart))
        assert found.tags == ["figure", "div", "figcaption", "button", "script"]
        (script,) = found.scripts
        assert script[0] == {"type": "application/json", "id": f"chart-{chart.id}"}
        assert json.loads(script[1]) == json.loads(json.dumps(chart.spec))


def test_data_is_ascii_so_no_character_can_end_a_line_or_break_the_file():
    text = json_script("x", {"a": "\u2028\ud800</script><!--&"})
    text.encode("ascii")
    assert text.count("<") == 2


def test_json_without_numbers_is_refused():
    with pytest.raises(ValueError, match="Out of range"):
        json_script("x", float("nan"))


def test_a_chart_that_is_not_drawn_has_no_block():
    with pytest.raises(ValueError, match="not measured"):
        chart_block(Chart(id="x", title="x", caption="", reason="not measured"))


def test_the_policy_names_every_script_that_runs_and_no_eval():
    found = Elements(embed_scripts())
    running = [text for attributes, text in found.scripts if "type" not in attributes]
    assert len(running) == 4
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in running
    ]
    assert script_sources() == " ".join(hashes)


def test_licences_travel_with_the_library():
    found = Elements(embed_scripts())
    (licences,) = (text for a, text in found.scripts if a.get("id") == "chart-licences")
    for words in ("University of Washington", "Mike Bostock", "vega-lite 6.4.3", "Mapbox"):
        assert words in licences


def test_no_script_names_a_file_beside_it():
    assert "sourceMappingURL" not in embed_scripts()
    assert re.search(r"<script[^>]*\ssrc=", embed_scripts()) is None


def test_the_library_is_small_enough_for_a_page():
    assert len(embed_scripts().encode("utf-8")) < 850_000
