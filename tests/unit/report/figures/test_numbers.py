"""The numbers on figures are those of the results, through the same formatting as the tables."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spinn_edge.accuracy.divergence.waterfall import Waterfall
from spinn_edge.accuracy.metrics.regression import r2_score
from spinn_edge.bench.loops.saturation import saturations
from spinn_edge.core.decode import decode
from spinn_edge.report import formatting as f
from spinn_edge.report.colours import COLOURS
from spinn_edge.report.figures.architecture import draw_architectures, mlps_of, widths_figure
from spinn_edge.report.figures.error_waterfall import draw_waterfalls, waterfall_figure
from spinn_edge.report.figures.footprint_ladder import draw_footprints
from spinn_edge.report.figures.latency_distribution import draw_distributions
from spinn_edge.report.figures.pareto import draw_paretos
from spinn_edge.report.figures.predicted import draw_predicted, r2_words
from spinn_edge.report.figures.pruning_progress import draw_pruning_progress, progress_figure
from spinn_edge.report.figures.roofline_plot import draw_rooflines
from spinn_edge.report.figures.style import drawing_style
from spinn_edge.report.figures.summary_bars import draw_summary_bars
from spinn_edge.report.figures.throughput import draw_throughputs
from spinn_edge.report.footprints import footprint_lines
from spinn_edge.report.sources import Predictions
from spinn_edge.report.waterfall import percent
from tests.unit.report.figures import cases
from tests.unit.report.figures.layout import all_words, words
from tests.unit.report.results import DENSE, PRUNED, result, row

FEW: Any = replace(
    cases.whole(),
    results=(cases.named(cases.grid(("eager", "ort-cpu"), (1, 64), (DENSE, PRUNED))),),
)
SCORES: Any = (DENSE.scores, PRUNED.scores)
RESULT = FEW.results[0].result


@pytest.fixture(autouse=True)
def _style():
    with drawing_style():
        yield


def said(draw, sources=FEW):
    """Return all that the figures of one kind say."""
    return "\n".join(all_words(sketch.figure) for sketch in draw(sources))


def only(draw, sources) -> Any:
    """Return the one figure of its kind, or why there is none."""
    (found,) = draw(sources)
    return found


def test_bars_carry_every_median_speed_up_reduction_and_score():
    text = said(draw_summary_bars)
    for one in RESULT.rows:
        assert f.seconds(one.median_s) in text
        if one.speedup is not None:
            assert f"{f.seconds(one.median_s)} {f.speedup(one)}" in text
    assert f"210,000 {f.change(666_882, 210_000)}" in text
    assert "666,882" in text
    for scores in SCORES:
        assert all(f.score(value) in text for value in (scores.r2_overall, *scores.r2.values()))
    assert f"({f.difference(0.85, 0.83)})" in text


def test_bars_say_that_no_difference_was_seen():
    before = row("dense", 1e-4, samples_s=(1e-4, 1.02e-4, 0.98e-4), launch_samples=(1, 1, 1))
    after = cases.compared(before, replace(before, bundle="pruned"))
    text = said(draw_summary_bars, replace(FEW, results=(cases.named(result((before, after))),)))
    assert f"{f.seconds(1e-4)} no difference seen" in text


def test_bars_are_as_long_as_the_medians():
    sketch = only(draw_summary_bars, FEW)
    panel = next(a for a in sketch.figure.axes if a.get_title(loc="left") == "Latency at batch 1")
    lengths = sorted(bar.get_width() for bar in panel.patches)
    assert lengths == sorted(one.median_s for one in RESULT.rows if one.batch == 1)


def test_distributions_state_stated_percentiles_only_and_draw_every_run():
    text = said(draw_distributions)
    for one in RESULT.rows:
        tail = f"p50 {f.seconds(one.median_s)}, p99 {f.seconds(one.p99_s)}"
        assert f"{one.bundle}: {tail}, p99.9 {f.seconds(one.p999_s)}" in text
    few = row("dense", 1e-4, samples_s=(1e-4, 2e-4, 9e-1), launch_samples=(3,))
    sources = replace(FEW, results=(cases.named(result((few,), (DENSE,))),))
    sketch = only(draw_distributions, sources)
    assert "p99 " not in all_words(sketch.figure).partition("Xeon")[0]
    (axes,) = sketch.figure.axes
    assert list(axes.lines[0].get_xdata()) == [1e-4, 2e-4, 9e-1]
    assert axes.get_xlim()[1] > 9e-1
    assert axes.get_ylim()[1] > axes.lines[0].get_ydata()[-1]


def test_a_distribution_marks_its_modes():
    sketch = only(draw_distributions, FEW)
    axes = sketch.figure.axes[0]
    lines = [line for line in axes.lines if line.get_linestyle() == ":"]
    rows = [one for one in RESULT.rows if one.runtime == "eager" and one.batch == 1]
    modes = [mode for one in rows for mode in one.modes]
    assert [line.get_xdata()[0] for line in lines] == [mode.at_s for mode in modes]
    assert all(len(one.modes) == 2 for one in rows)
    feet = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert [foot.get_xdata()[0] for foot in feet] == [mode.at_s for mode in modes]
    assert [foot.get_marker() for foot in feet] == ["o", "o", "^", "^"]


def test_the_line_of_a_mode_ends_at_its_own_curve():
    sketch = only(draw_distributions, FEW)
    lines = sketch.figure.axes[0].lines
    curves = [line for line in lines if line.get_drawstyle() == "steps-post"]
    for line in (one for one in lines if one.get_linestyle() == ":"):
        (curve,) = [one for one in curves if one.get_color() == line.get_color()]
        below = [
            share
            for at_s, share in zip(curve.get_xdata(), curve.get_ydata(), strict=True)
            if at_s < line.get_xdata()[0]
        ]
        assert line.get_ydata()[1] == pytest.approx(below[-1], abs=1e-3)


def test_models_have_the_colours_of_the_page():
    sketch = only(draw_distributions, FEW)
    curves = [one for one in sketch.figure.axes[0].lines if one.get_drawstyle() == "steps-post"]
    assert [one.get_color() for one in curves] == list(COLOURS[:2])


def test_the_frontier_is_named_with_latency_and_score():
    text = said(draw_paretos)
    best = [one for one in RESULT.rows if one.runtime == "eager" and one.batch == 1]
    for one, scores in zip(best, SCORES, strict=True):
        where = f"{one.bundle} on eager, {f.seconds(one.median_s)}, R² {f.score(scores.r2_overall)}"
        assert where in text
    assert "on ort-cpu" not in text  # slower with the same score


def test_r2_in_the_title_is_that_of_the_points():
    found = FEW.predictions
    text = said(draw_predicted)
    for values in found.predicted.values():
        for score in r2_score(found.measured, values):
            assert f"R² = {f.score(float(score))}" in text
    assert "predicted wear" in text
    assert "measured heat" in text


def test_r2_of_a_constant_or_broken_output_is_a_dash():
    same, some = np.ones(3), np.array([1.0, 2.0, 3.0])
    assert r2_words(same, some) == "–"
    assert r2_words(some, np.array([1.0, np.nan, 3.0])) == "– (NaN or Inf)"
    assert r2_words(some, some) == "1.0000"


def test_many_outputs_and_models_are_drawn_on_further_pages():
    many = cases.predictions(tuple("abcdef"), tuple("uvwxy"), rows=20)
    pages: Any = list(draw_predicted(replace(FEW, predictions=many)))
    assert [page.name for page in pages] == [
        f"predicted-against-measured-{n}" for n in (1, 2, 3, 4)
    ]
    assert sum([len(page.figure.axes) for page in pages]) == 30


def test_no_rows_are_no_predictions():
    empty = Predictions(targets=("a",), measured=np.zeros((0, 1)), predicted={}, source="")
    found = only(draw_predicted, replace(FEW, predictions=empty))
    assert "--data" in found.reason


def test_progression_states_parameters_reduction_and_loss_of_each_round():
    audit: Any = cases.SMALLER.manifest.pruning
    text = said(draw_pruning_progress)
    assert "666,882" in text
    for one in audit.rounds:
        assert f"{f.whole(one.parameters)} {f.change(666_882, one.parameters)}" in text
        assert f.magnitude(one.score) in text
    assert "asked for 68.5 % fewer parameters, reached 68.5 %" in text


@pytest.mark.parametrize(
    ("losses", "where"),
    [
        ((3.0, 2.0, 1.0), [("center", "bottom"), ("left", "bottom"), ("center", "bottom")]),
        ((3.0, 1.0, 2.0), [("center", "bottom"), ("center", "top"), ("center", "bottom")]),
        ((1.0, 3.0, 2.0), [("center", "bottom"), ("center", "bottom"), ("center", "bottom")]),
    ],
)
def test_no_line_of_the_loss_runs_through_a_number(losses, where):
    audit = cases.audit(3, 2)
    rounds = [replace(one, score=loss) for one, loss in zip(audit.rounds, losses, strict=True)]
    figure = progress_figure("pruned", replace(audit, rounds=tuple(rounds)))
    assert [(text.get_ha(), text.get_va()) for text in figure.axes[1].texts] == where


def test_progression_without_losses_says_so():
    figure = progress_figure("pruned", cases.audit(2, 2, losses=False))
    assert len(figure.axes) == 1
    assert "no validation loss was recorded" in all_words(figure)


def test_architecture_states_widths_and_parameters():
    sketch = only(draw_architectures, FEW)
    text = words(sketch.figure)
    for width in (18, 512, 256, 285, 142):
        assert f.whole(width) in text
    assert f"pruned\n210,000 parameters, {f.change(666_882, 210_000)}" in text


def test_columns_are_as_high_as_layers_are_wide():
    figure = widths_figure(mlps_of(FEW))
    (dense, pruned) = figure.axes
    heights = [bar.get_height() for bar in (*dense.patches, *pruned.patches) if bar_like(bar)]
    widths = [18, 512, 512, 256, 2, 18, 285, 285, 142, 2]
    assert heights == pytest.approx([max(width / 512, 0.025) for width in widths])


def bar_like(patch):
    return hasattr(patch, "get_height")


def test_a_lone_pruned_network_stands_beside_what_its_audit_remembers():
    lone = replace(FEW, results=(), bundles=(cases.SMALLER,))
    before, after = mlps_of(lone)
    assert before.widths == (18, 64, 128, 192, 2)
    assert before.parameters == 666_882
    assert after.widths == (18, 285, 285, 142, 2)


def test_a_network_that_is_no_mlp_shows_its_layers():
    sketches: Any = list(draw_architectures(cases.image()))
    assert [one.name for one in sketches] == ["architecture-pruned-1", "architecture-pruned-2"]
    text = all_words(sketches[0].figure)
    assert f"20 {f.change(64, 20)}" in text
    assert "layer.29" in text


def test_waterfall_states_each_share_as_the_table_does():
    found = decode(Waterfall, FEW.waterfalls[0].raw, where="")
    text = said(draw_waterfalls)
    for step in found.steps:
        for error in step.contribution:
            assert percent(error.max_share) in text
    assert "not run: no GPU" in text
    assert "7 samples (7 rows of test.csv)" in text


def test_of_many_outputs_the_worst_of_each_step_stands_alone():
    document = cases.waterfall(tuple(f"class {n}" for n in range(9)), (0.02,))
    figure = waterfall_figure(decode(Waterfall, document.raw, where=""))
    assert "worst output" in words(figure)
    assert "2 %" in words(figure)
    assert "1 %" not in [text.get_text() for text in figure.axes[0].texts]


def test_footprints_state_each_part():
    text = said(draw_footprints)
    for line in footprint_lines(RESULT.rows):
        parts = (line.import_s, line.load_s, line.first_inference_s)
        assert " + ".join(map(f.seconds, parts)) in text
        peak = f.size(line.peak_resident_bytes)
        assert f"{f.size(line.resident_after_load_bytes)}, peak {peak}" in text


def test_rooflines_state_latency_and_share():
    text = said(draw_rooflines)
    for found in FEW.explanations[0].raw["roofline"]["rows"]:
        share = f"{found['roofline']['share']:.0%}".replace("%", " %")
        latency = f.seconds(found["roofline"]["latency_s"])
        assert f"batch {found['batch']}: {latency}, {share}" in text
    assert "100 GFLOP/s" in text


def test_throughput_states_where_it_saturates():
    sources = cases.swept()
    text = said(draw_throughputs, sources)
    knees = saturations(sources.results[0].result.rows)
    assert len(knees) == 6
    for knee in knees:
        assert f"batch {knee.knee_batch:,}, {f.per_second(knee.knee_per_s)}" in text
