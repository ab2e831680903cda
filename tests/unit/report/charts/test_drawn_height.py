"""A place is about as tall as what Vega draws into it; the browser's tests compare exactly."""

import re

import pytest

from spinn_edge.report.charts.drawing import charts_of
from spinn_edge.report.charts.drawn_height import drawn_height
from tests.unit.report.charts.cases import every_source
from tests.unit.report.charts.test_node import drawn, pytestmark  # noqa: F401 (skips without node)

SLACK = 12
"""Pixels; less than a line of a legend. Node guesses the length of texts, and long titles of short
axes stand out."""


@pytest.fixture(scope="module")
def charts(tiny_bundle):
    return [one for one in charts_of(every_source(tiny_bundle)) if one.spec is not None]


def test_every_chart_is_as_tall_as_its_place(charts, tmp_path):
    drawn(charts, tmp_path)
    off = {}
    for one in charts:
        svg = re.search(r'<svg[^>]* height="(\d+)"', (tmp_path / f"{one.id}.light.svg").read_text())
        assert svg
        choice = 41 if one.spec.get("params") else 0  # stands above the drawing
        off[one.id] = drawn_height(one.spec) - choice - int(svg[1])
    assert {name: by for name, by in off.items() if abs(by) > SLACK} == {}


def test_a_narrow_place_stacks_its_legends(charts):
    tall = {one.id: drawn_height(one.spec) for one in charts}
    narrow = {one.id: drawn_height(one.spec, narrow=True) for one in charts}
    assert narrow["start-1"] > tall["start-1"]
    assert narrow["pruning-1"] == tall["pruning-1"]  # which has no legend


def test_plots_of_other_choices_take_no_place():
    values = [{"at": "a", "shown": "1"}, {"at": "b", "shown": "1"}]
    spec = {
        "data": {"values": values},
        "facet": {"field": "at"},
        "spacing": 14,
        "spec": {"height": 110},
        "params": [{"name": "shown", "value": "1"}],
    }
    both = drawn_height(spec)
    values[1]["shown"] = "2"
    assert both - drawn_height(spec) > 110
