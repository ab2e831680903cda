import itertools

import numpy as np
import pytest
from scipy import optimize

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.evidence.intervals import NO_DIFFERENCE, SLOWER
from spinn_edge.bench.processes.contenders import Schedule
from spinn_edge.bench.understanding.dispatch_floor import (
    LARGEST_RESIDUAL,
    WidthPoint,
    find_floor,
    fit_floor,
    measure_dispatch_floors,
    scaled_widths,
)
from spinn_edge.bench.understanding.width_variants import WidthVariants
from spinn_edge.runtimes.base import OpenOptions
from tests.unit.bench.contests import DRIFT, fake_launches, job_bundle, steady_row, timed
from tests.unit.bench.test_measurement import row

FLOPS = (1_000, 4_000, 16_000, 36_000, 64_000)
FLOOR_S, SLOPE_S = 9e-6, 2e-10


def on_the_line(flops):
    return FLOOR_S + SLOPE_S * flops


def points(latencies_s, flops=FLOPS):
    return [
        WidthPoint(widths=(2, n, 2), parameters=n, flops=count, row=steady_row(latency_s))
        for n, (count, latency_s) in enumerate(zip(flops, latencies_s, strict=True), 1)
    ]


# --- the fit


def test_planted_floor_and_slope_are_found():
    fit = fit_floor(FLOPS, [(on_the_line(n),) * 5 for n in FLOPS])
    assert fit.floor_s == pytest.approx(FLOOR_S)
    assert fit.slope_s == pytest.approx(SLOPE_S)
    assert fit.largest_residual < 1e-9
    assert fit.fitted_s == pytest.approx([on_the_line(n) for n in FLOPS])


def test_errors_are_relative_so_a_wide_layer_does_not_outweigh_a_narrow_one():
    latencies_s = [on_the_line(n) for n in FLOPS]
    latencies_s[-1] *= 1.1
    fit = fit_floor(FLOPS, [(value,) for value in latencies_s])
    absolute = np.polyfit(FLOPS, latencies_s, 1)[1]
    assert abs(fit.floor_s - FLOOR_S) < abs(absolute - FLOOR_S)


def test_floor_is_never_below_0():
    fit = fit_floor((1, 2, 3), [(1.0,), (3.0,), (5.0,)])
    assert fit.floor_s == 0
    best = optimize.minimize_scalar(
        lambda slope: sum((slope * n / t - 1) ** 2 for n, t in ((1, 1), (2, 3), (3, 5)))
    )
    assert fit.slope_s == pytest.approx(best.x, rel=1e-4)


def test_slope_is_never_below_0():
    fit = fit_floor((1, 2, 3), [(3.0,), (2.9,), (2.8,)])
    assert fit.slope_s == 0
    assert fit.floor_s == pytest.approx(2.9, rel=0.01)


def test_interval_comes_from_launches_that_are_drawn_together():
    """A drift that hits all widths of a launch alike moves the floor as much, and no further."""
    fit = fit_floor(FLOPS, [[on_the_line(n) * drift for drift in DRIFT] for n in FLOPS])
    assert fit.floor_interval_s is not None
    assert FLOOR_S * min(DRIFT) < fit.floor_interval_s.low < FLOOR_S
    assert FLOOR_S < fit.floor_interval_s.high < FLOOR_S * max(DRIFT)


def test_launches_that_agree_give_an_interval_of_no_width():
    interval = fit_floor(FLOPS, [(on_the_line(n),) * 5 for n in FLOPS]).floor_interval_s
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((FLOOR_S, FLOOR_S))


def test_two_launches_give_no_interval():
    assert fit_floor(FLOPS, [(on_the_line(n),) * 2 for n in FLOPS]).floor_interval_s is None


# --- what is stated


def test_floor_and_what_pruning_can_save_are_stated():
    found = find_floor(steady_row(2 * FLOOR_S), points([on_the_line(n) for n in FLOPS]))
    assert found.floor_s == pytest.approx(FLOOR_S, rel=1e-3)
    assert found.most_saving == pytest.approx(0.5, abs=1e-3)
    assert found.refusal == ""


def test_flat_latencies_leave_nothing_to_save():
    found = find_floor(steady_row(9e-6), points([9e-6] * 5))
    assert found.most_saving == pytest.approx(0, abs=1e-9)


def test_saving_is_not_negative_where_the_bundle_is_faster_than_the_floor():
    assert find_floor(steady_row(8e-6), points([9e-6] * 5)).most_saving == 0


def test_bend_among_wide_layers_is_left_out_and_does_not_touch_the_floor():
    latencies_s = [on_the_line(n) for n in FLOPS]
    latencies_s[3:] = [3 * value for value in latencies_s[3:]]
    found = find_floor(steady_row(latencies_s[-1]), points(latencies_s))
    assert found.fit is not None
    assert found.fit.narrowest == 3
    assert found.floor_s == pytest.approx(FLOOR_S, rel=1e-3)
    assert found.fit.fitted_s[4] == pytest.approx(on_the_line(FLOPS[4]), rel=1e-3)


def test_line_that_misses_narrow_widths_states_no_floor():
    found = find_floor(steady_row(40e-6), points([10e-6, 20e-6, 10e-6, 30e-6, 40e-6]))
    assert found.fit is not None
    assert found.fit.largest_residual > LARGEST_RESIDUAL
    assert (found.floor_s, found.most_saving) == (None, None)
    assert "an assumption" in found.refusal
    document = found.to_json()
    assert (document["floor_s"], document["floor_interval_s"]) == (None, None)
    assert len(document["points"]) == 5


def test_two_widths_are_too_few_for_a_line():
    found = find_floor(steady_row(1e-6), points([1e-6, 2e-6], FLOPS[:2]))
    assert (found.fit, found.floor_s) == (None, None)
    assert "only 2 widths" in found.refusal


@pytest.mark.parametrize("lost", [0, 4, None])
def test_width_that_was_not_timed_states_no_floor_and_says_why(lost):
    found = points([on_the_line(n) for n in FLOPS])
    own = steady_row(1e-5)
    failed = row(status="failed", reason="it hung", bundle="2-1-2")
    if lost is None:
        own = failed
    else:
        found[lost] = WidthPoint(widths=(2, 1, 2), parameters=1, flops=1, row=failed)
    result = find_floor(own, found)
    assert (result.fit, result.floor_s) == (None, None)
    assert result.refusal == "2-1-2 was not timed: it hung"


def test_bundle_is_held_against_its_twin_with_random_weights():
    latencies_s = [on_the_line(n) for n in FLOPS]
    assert find_floor(steady_row(latencies_s[-1]), points(latencies_s)).own.verdict == NO_DIFFERENCE
    assert find_floor(steady_row(2 * latencies_s[-1]), points(latencies_s)).own.verdict == SLOWER


# --- what is timed


def test_hidden_widths_are_scaled_and_at_least_1():
    assert scaled_widths((80, 8)) == ((10, 1), (20, 2), (40, 4), (60, 6), (80, 8))


def test_equal_widths_are_timed_once():
    assert scaled_widths((2,)) == ((1,), (2,))
    assert scaled_widths((1, 1)) == ((1, 1),)


def test_planted_floor_is_found_through_launches_that_alternate(tiny_bundle, tmp_path, monkeypatch):
    def latency_of(job, batch):
        return FLOOR_S + SLOPE_S * batch * job_bundle(job).manifest.flops_per_sample

    launches = fake_launches(monkeypatch, latency_of)
    said = []
    variants = WidthVariants(tiny_bundle, tmp_path, runtime="eager", max_batch=3)
    floors = measure_dispatch_floors(
        tiny_bundle,
        variants,
        Schedule(batches=(1, 3), boundaries=(HOST_TO_HOST,), launches=3),
        runtime="eager",
        options=OpenOptions(),
        on_launch=lambda contender, launch: said.append(contender.label),
    )
    labels = [job.label for job in launches.jobs]
    assert labels == said
    assert labels[0] == "tiny"
    assert labels[1:6] == [f"18-{n}-{n}-2, random weights" for n in (2, 4, 8, 12, 16)]
    assert labels[:6] * 3 == labels
    assert {job.boundaries for job in launches.jobs} == {(HOST_TO_HOST,)}
    assert [floor.batch for floor in floors] == [1, 3]
    for floor in floors:
        assert floor.floor_s == pytest.approx(FLOOR_S, rel=1e-3)
        assert floor.points[-1].flops == floor.batch * tiny_bundle.manifest.flops_per_sample
        assert floor.own.verdict == NO_DIFFERENCE
        shares = [p.flops for p in floor.points]
        assert all(a < b for a, b in itertools.pairwise(shares))


def test_launches_of_unequal_number_are_cut_to_the_fewest():
    fit = fit_floor((1, 2, 3), [timed(2, 9).launch_medians_s, (3.0,), (4.0, 5.0)])
    assert (fit.floor_s, fit.slope_s) == pytest.approx((1, 1))
