"""The embedded scripts draw every chart without a warning, and without making code of texts."""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from spinn_edge.report.charts.chart import Chart
from spinn_edge.report.charts.drawing import charts_of
from spinn_edge.report.charts.embedding import embed_scripts
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.charts.themes import chart_configs
from spinn_edge.report.sources import ReportSources
from tests.unit.report.charts.cases import every_source
from tests.unit.report.charts.test_embedding import Elements
from tests.unit.report.results import result, row
from tests.unit.report.sources import HOSTILE, hostile, named

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed: charts not compiled")
DRAW = Path(__file__).with_name("draw.js")


def drawn(charts, folder):
    """Return what node tells of charts, by id; their SVG lies in ``folder``."""
    found = Elements(embed_scripts())
    running = [text for attributes, text in found.scripts if "type" not in attributes]
    (folder / "scripts.json").write_text(json.dumps(running))
    specs = {chart.id: chart.spec for chart in charts if chart.spec is not None}
    given = {"configs": chart_configs(), "charts": specs}
    (folder / "charts.json").write_text(json.dumps(given))
    assert NODE is not None
    done = subprocess.run(
        [NODE, DRAW, folder / "scripts.json", folder / "charts.json", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def every(tiny_bundle, tmp_path_factory):
    return drawn(charts_of(every_source(tiny_bundle)), tmp_path_factory.mktemp("charts"))


def test_every_chart_is_drawn_without_a_warning(every):
    assert len(every) == 12
    assert {chart_id: told["warnings"] for chart_id, told in every.items()} == {
        chart_id: [] for chart_id in every
    }


@pytest.mark.parametrize(
    ("chart_id", "texts"),
    [
        ("latency-1", {"100 µs", "ort-cpu", "dense", "pruned"}),
        ("speed-up-1", {"1.00×", "ort-cpu"}),
        ("latency-distribution-1", {"75 % near 100 µs", "p99.9", "100 %"}),
        ("pareto-1", {"R², overall", "ort-cpu"}),
        ("throughput-1", {"200,000/s", "8"}),
        ("deadlines-1", {"1 of 1,000 (0.1 %)"}),
        ("start-1", {"first inference"}),
        ("memory-1", {"40.0 MB"}),
        ("parity-1", {"3.2 %"}),
        ("waterfall-1", {"wear", "heat", "ort-cpu fp32"}),
        ("roofline-1", {"batch 1", "copies in memory: 10 GB/s"}),
        ("pruning-1", {"666,882", "0.0123"}),
    ],
)
def test_what_is_drawn_says_the_figures_of_the_tables(every, chart_id, texts):
    assert texts <= set(every[chart_id]["texts"])


def test_hostile_names_are_drawn_as_text(tmp_path):
    charts = [
        dataclasses.replace(chart, id=f"n{number}-{chart.id}")
        for number, name in enumerate(HOSTILE)
        for chart in charts_of(ReportSources(results=(named(hostile(name)),)))
        if chart.id == "latency-1"
    ]
    told = drawn(charts, tmp_path)
    assert len(told) == len(HOSTILE)
    assert [one["warnings"] for one in told.values()] == [[]] * len(HOSTILE)
    svg = (tmp_path / "n0-latency-1.light.svg").read_text()
    assert "<script" not in svg
    assert short_name("x" * 10_000) in told[f"n{len(HOSTILE) - 1}-latency-1"]["texts"]


def test_the_two_themes_draw_in_other_colours(tmp_path):
    charts = charts_of(ReportSources(results=(named(result((row("dense", 1e-4),))),)))
    drawn(charts, tmp_path)
    light, dark = ((tmp_path / f"latency-1.{theme}.svg").read_text() for theme in chart_configs())
    assert "#0072B2" in light
    assert "#0072B2" not in dark
    assert "#56B4E9" in dark


def test_a_specification_of_a_wrong_mark_would_be_seen(tmp_path):
    x = {"field": "x", "type": "quantitative", "scale": {"type": "log", "zero": True}}
    spec = {"data": {"values": [{"x": 1}]}, "mark": "bar", "encoding": {"x": x}}
    told = drawn([Chart(id="wrong", title="", caption="", spec=spec)], tmp_path)
    assert told["wrong"]["warnings"]
