"""Which charts a report has, and what their data say."""

import dataclasses
import itertools
import json
from importlib.resources import files

import pytest

from spinn_edge.core.errors import BundleError
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.distribution import apart
from spinn_edge.report.charts.drawing import charts_of
from spinn_edge.report.charts.themes import HALO, chart_configs
from spinn_edge.report.sources import NamedDocument, ReportSources
from tests.unit.report.charts.cases import (
    AFTER,
    BEFORE,
    SCORED,
    benchmark,
    chart,
    every_source,
    two_speeds,
    values,
)
from tests.unit.report.results import DENSE_SCORES, ENVIRONMENT, result, row, unavailable
from tests.unit.report.sources import beside, launched, named


@pytest.fixture
def sources(tiny_bundle):
    return every_source(tiny_bundle)


def of(*rows, **changes):
    return ReportSources(results=(named(result(rows, **changes)),))


def test_every_chart_is_drawn_where_everything_was_measured(sources):
    charts = charts_of(sources)
    assert [one.id for one in charts if one.spec is None] == []
    assert [one.id.rpartition("-")[0] for one in charts] == [
        *("latency", "speed-up", "latency-distribution", "pareto", "throughput", "deadlines"),
        *("start", "memory", "parity", "waterfall", "roofline", "pruning"),
    ]
    for one in charts:
        assert one.table is not None
        assert one.table.lines
        assert one.caption
        assert one.reason == ""
        json.dumps(one.spec, allow_nan=False)


def test_what_was_not_measured_has_a_reason_that_says_what_to_type():
    charts = charts_of(of(unavailable("dense"), unavailable("pruned")))
    assert {one.spec for one in charts} == {None}
    assert all(
        "--" in one.reason or "spinn-edge" in one.reason for one in charts if "pareto" not in one.id
    )
    assert chart(of(row("dense", 1e-4)), "speed-up-1").reason.endswith("--baseline DENSE")
    assert chart(of(row("dense", 1e-4)), "deadlines-1").reason.endswith("--rate 1000")
    assert chart(of(row("dense", 1e-4)), "throughput-1").reason.endswith("--batch sweep")


def test_results_stay_apart_and_say_which_machine():
    there = dataclasses.replace(benchmark(), environment=dataclasses.replace(ENVIRONMENT, cpu="N1"))
    both = ReportSources(results=(named(benchmark(), "here"), named(there, "there")))
    charts = charts_of(both)
    assert len({one.id for one in charts}) == len(charts)
    first, second = (chart(both, f"latency-{number}") for number in (1, 2))
    assert first.title.startswith("Latency by runtime: here (Xeon")
    assert second.title.startswith("Latency by runtime: there (N1")
    assert len(values(first)) == len(values(second)) == 9


def test_latency_holds_median_and_interval_of_the_record(sources):
    recorded = benchmark().rows[0]
    (value,) = values(chart(sources, "latency-1"), model="dense", shown="batch 1")
    assert value["median_s"] == recorded.median_s == sorted(BEFORE)[1]
    assert recorded.median_interval_s is not None
    assert (value["low_s"], value["high_s"]) == (
        recorded.median_interval_s.low,
        recorded.median_interval_s.high,
    )
    assert value["median"] == f.seconds(recorded.median_s)
    assert value["interval"] == f.span(recorded.median_interval_s, f.seconds)


def test_a_row_without_intervals_has_none_drawn(sources):
    (value,) = values(chart(sources, "latency-1"), runtime="eager")
    assert value["low_s"] is None
    assert value["interval"] == "–"


def test_a_curve_is_made_of_samples_and_keeps_the_slowest(sources):
    samples = two_speeds().samples_s
    found = chart(sources, "latency-distribution-1")
    assert found.spec is not None
    number = next(
        entry["row"]
        for step in found.spec["transform"]
        if "lookup" in step
        for entry in step["from"]["data"]["values"]
        if entry["runtime"] == "eager"
    )
    points = values(found, row=number, kind="curve")
    assert len(points) < 80
    assert {point["s"] for point in points} <= set(samples)
    assert points[-1] == {"row": number, "kind": "curve", "s": 5e-3, "share": 1.0}
    marks = {one["mark"]: one for one in values(found, row=number, kind="mark")}
    assert marks["p99.9"]["s"] == two_speeds().p999_s
    assert marks["slowest"]["at"] == "5.00 ms"
    labels = [one["at"] for one in values(found, row=number, kind="mode")]
    assert labels == ["75 % near 100 µs", "25 % near 201 µs"]


def test_labels_of_one_plot_keep_a_line_apart_and_stay_inside():
    places = apart([0.95, 0.9, 0.57, 0.55, 0.1, 0.08])
    gaps = [above - below for above, below in itertools.pairwise(places)]
    assert min(gaps) >= 0.15
    assert max(places) <= 0.84
    assert min(places) >= 0.06
    assert apart([0.8, 0.3]) == [0.8, 0.3]  # far enough as they are
    assert apart([]) == []


def test_what_lies_behind_the_label_of_a_speed_does_not_cross_it():
    found = chart(of(two_speeds()), "latency-distribution-1")
    assert found.spec is not None
    under, label = (
        layer["mark"] for layer in found.spec["spec"]["layer"] if layer["mark"]["type"] == "text"
    )
    assert under == {**label, "style": HALO}  # drawn before it, in its place
    styles = files("spinn_edge.report.page").joinpath("style.css").read_text(encoding="utf-8")
    for config in chart_configs().values():
        assert f"--page: {config['style'][HALO]['stroke'].lower()};" in styles


def test_labels_of_two_models_in_one_plot_do_not_meet():
    both = of(two_speeds(), dataclasses.replace(two_speeds(), bundle="dense"))
    labels = values(chart(both, "latency-distribution-1"), kind="mode")
    places = sorted(label["share"] for label in labels)
    assert len(places) == 4
    assert min(b - a for a, b in itertools.pairwise(places)) >= 0.15


def test_a_percentile_with_too_few_samples_is_not_marked():
    found = chart(of(launched("dense", *BEFORE)), "latency-distribution-1")
    assert [one["mark"] for one in values(found, kind="mark")] == ["p50", "slowest"]


def test_speed_ups_within_the_noise_are_hollow_and_say_so(sources):
    found = chart(sources, "speed-up-1")
    (faster,) = values(found, shown="batch 1")
    (alike,) = values(found, shown="batch 1000")
    assert faster["told"] is True
    assert faster["speedup"] == f.speedup(beside(BEFORE, AFTER))
    assert alike["told"] is False
    assert alike["speedup"] == "no difference seen"
    assert alike["floor_low"] < 1 < alike["floor_high"]
    assert alike["floor_high"] == pytest.approx(1 / alike["floor_low"])


def test_the_frontier_is_what_nothing_beats_at_its_batch(sources):
    found = chart(sources, "pareto-1")
    best = {(one["model"], one["runtime"], one["shown"]) for one in values(found, best=True)}
    assert ("pruned", "eager", "batch 1") in best
    assert ("dense", "ort-cpu", "batch 1") in best  # slower, but its score is higher
    assert ("pruned", "ort-cpu", "batch 1") not in best  # half a microsecond slower
    (dense,) = values(found, model="dense", shown="batch 1")
    assert dense["r2"] == DENSE_SCORES.r2_overall
    assert dense["score"] == "0.8500"


def test_scores_on_different_rows_are_not_drawn_beside_each_other():
    reason = chart(of(row("dense", 1e-4), row("pruned", 1e-4)), "pareto-1").reason
    assert reason.startswith("not comparable")


def test_a_row_of_another_precision_takes_no_score_of_the_model():
    rows = (row("dense", 1e-4), row("dense", 5e-5, precision="int8"))
    found = chart(of(*rows, bundles=SCORED), "pareto-1")
    assert [one["runtime"] for one in values(found)] == ["ort-cpu"]


def test_the_knee_of_a_sweep_is_ringed(sources):
    found = chart(sources, "throughput-1")
    assert [one["size"] for one in values(found)] == [1, 2, 4, 8]
    assert [one["size"] for one in values(found, at_knee="yes")] == [2]
    assert values(found, size=2)[0]["throughput"] == "200,000/s"


def test_missed_deadlines_are_those_of_the_record(sources):
    (value,) = values(chart(sources, "deadlines-1"))
    assert value["share"] == 1 / 1000
    assert value["missed"] == "1 of 1,000 (0.1 %)"


def test_footprints_are_the_medians_of_the_table(sources):
    steps = {one["shown"]: one["s"] for one in values(chart(sources, "start-1"), model="dense")}
    assert steps == {"import": 0.2, "load": 0.02, "first inference": 0.003}
    (memory,) = values(chart(sources, "memory-1"), model="dense")
    assert (memory["loaded"], memory["peak"]) == ("50.0 MB", "70.0 MB")


def test_parity_takes_the_worst_batch_and_marks_a_failure():
    good, bad = row("dense", 1e-4), row("dense", 1e-3, batch=9)
    assert good.parity is not None
    parity = dataclasses.replace(good.parity, passed=False, max_abs=2e-5, reason="off")
    failed = dataclasses.replace(bad, parity=parity)
    (value,) = values(chart(of(good, failed), "parity-1"))
    assert (value["used"], value["verdict"], value["batch"]) == ("200 %", "FAILED", "9")
    assert value["good"] is False
    (fine,) = values(chart(of(good), "parity-1"))
    assert (fine["used"], fine["depth"]) == ("3.2 %", pytest.approx(3.25e-2))


def test_a_form_that_did_not_run_is_in_the_table_and_not_in_the_plot(sources):
    found = chart(sources, "waterfall-1")
    assert {one["form"] for one in values(found)} == {"pruned", "ort-cpu fp32"}
    (pruning,) = values(found, form="pruned", output="wear", kind="this step")
    assert (pruning["size"], pruning["share"]) == (0.008, "0.8 %")
    assert found.table is not None
    assert any("not run: no driver." in cell for line in found.table.lines for cell in line)


def test_a_roofline_has_its_point_below_its_limit(sources):
    (point,) = values(chart(sources, "roofline-1"), kind="row")
    assert point["y"] == pytest.approx(1e6 / 12.5e-6)
    assert point["limit_y"] == pytest.approx(1e11)
    assert (point["reached"], point["bound"]) == ("80 %", "compute")


def test_rounds_begin_with_the_parameters_before(sources):
    rounds = values(chart(sources, "pruning-1"))
    assert [one["count"] for one in rounds] == [666_882, 300_000, 210_135]
    assert [one["loss"] for one in rounds] == [None, 0.0123, None]
    assert rounds[0]["score"] == "not measured"


def test_a_damaged_document_is_refused(sources):
    broken = NamedDocument(name="w.json", raw={**sources.waterfalls[0].raw, "steps": 3})
    with pytest.raises(BundleError, match=r"w\.json\.steps"):
        charts_of(dataclasses.replace(sources, waterfalls=(broken,)))


def test_a_model_has_one_colour_in_all_charts(sources):
    scales = []

    def look(part):
        if isinstance(part, dict):
            if part.get("field") == "model" and "range" in part.get("scale", {}):
                scales.append((tuple(part["scale"]["domain"]), part["scale"]["range"]))
            for item in part.values():
                look(item)
        elif isinstance(part, list):
            for item in part:
                look(item)

    for one in charts_of(sources):
        look(one.spec)
    assert set(scales) == {(("dense", "pruned"), "category")}
