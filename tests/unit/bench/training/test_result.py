"""Figures from raw samples."""

import statistics

import pytest

from spinn_edge.bench.training.result import Proof, TrainingRow, speedup
from tests.unit.bench.training.results import launch, row, two_equations


def test_a_launch_counts_every_step_of_unequal_runs():
    one = launch(0.01)
    assert one.steps == 5
    assert one.wall_s == pytest.approx(0.05)
    uneven = type(one)(
        seed=0,
        number=1,
        first_gradient_s=0.1,
        samples_s=(0.01, 0.05),
        sample_steps=(9, 1),
        steps_per_epoch=1,
    )
    assert uneven.step_s == pytest.approx((9 * 0.01 + 0.05) / 10)


def test_mean_and_deviation_are_over_seeds_and_the_interval_over_launches():
    found = row("heat", "autograd", [(0.01, 0.02), (0.04, 0.04)])
    by_seed = [statistics.fmean([100, 50]), 25]
    assert list(found.per_s_by_seed.values()) == pytest.approx(by_seed)
    assert found.mean_over_seeds == pytest.approx(statistics.fmean(by_seed))
    assert found.std_over_seeds == pytest.approx(statistics.stdev(by_seed))
    assert found.per_s == pytest.approx(1 / statistics.geometric_mean([0.01, 0.02, 0.04, 0.04]))
    between = found.per_s_interval
    assert between is not None
    assert 24.9 < between.low < found.per_s < between.high < 100.1


def test_one_seed_has_no_deviation_and_few_launches_no_interval():
    found = row("heat", "autograd", [(0.01, 0.02)])
    assert found.std_over_seeds is None
    assert found.per_s_interval is None


def test_the_estimate_is_of_epochs_and_without_compilation():
    found = row("demo", "compiled", [(0.01, 0.01, 0.01)], first_s=20, per_epoch=32)
    assert found.estimate_s == pytest.approx(1000 * 32 * 0.01)
    assert found.first_gradient_s == 20
    assert found.again_s == 5


def test_speedup_is_paired_by_launch():
    drifting = row("heat", "autograd", [(0.01, 0.02, 0.04)])
    twice = row("heat", "compiled", [(0.005, 0.01, 0.02)], first_s=20)
    found = speedup(twice, drifting)
    assert found is not None
    assert found.ratio == pytest.approx(2)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(2)
    # twice() saves 10 ms of 20
    assert found.pays_after == pytest.approx(20 / 0.01)


def test_compilation_that_saves_nothing_never_pays():
    eager = row("heat", "autograd", [(0.01, 0.01, 0.01)])
    slower = row("heat", "compiled", [(0.02, 0.02, 0.02)])
    found = speedup(slower, eager)
    assert found is not None
    assert found.pays_after is None
    assert found.verdict == "slower"


@pytest.mark.parametrize("status", ["failed", "unequal", "unavailable"])
def test_a_row_that_is_not_ok_has_no_figure(status):
    good = row("heat", "autograd", [(0.01, 0.01, 0.01)])
    bad = TrainingRow(
        subject=good.subject, way="compiled", status=status, reason="x", launches=good.launches
    )
    assert bad.per_s is None
    assert bad.per_s_interval is None
    assert bad.mean_over_seeds is None
    assert bad.estimate_s is None
    assert bad.first_gradient_s is None
    assert speedup(bad, good) is None
    assert speedup(good, bad) is None


def test_nan_does_not_pass_a_proof():
    def proof(loss_error, gradient_error):
        return Proof(
            loss_error=loss_error,
            gradient_error=gradient_error,
            eager_loss_error=0.0,
            eager_gradient_error=0.0,
            tolerance=1e-4,
        )

    assert proof(1e-5, 1e-5).passed
    assert not proof(1e-3, 1e-5).passed
    assert not proof(1e-5, 1e-3).passed
    assert not proof(float("nan"), 0.0).passed
    assert not proof(0.0, float("nan")).passed


def test_a_row_is_found_by_subject_and_way():
    result = two_equations()
    found = result.row("allen-cahn", "compiled")
    assert found is result.rows[3]
    assert result.row("heat", "compiled") is None
