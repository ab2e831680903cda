import numpy as np
import pytest
from scipy import stats

from spinn_edge.training.adaptation.prequential import (
    FEWEST_BATCHES,
    WINDOW,
    PrequentialErrors,
    _student,
)

UNIT = np.array([2.0, 10.0])


def errors_of(seed, scale, rows=32):
    return np.random.default_rng(seed).normal(size=(rows, 2)) * UNIT * scale


def test_rmse_is_in_target_units_over_every_row():
    errors = PrequentialErrors(("a", "b"), UNIT)
    before, after = errors_of(0, 1.0), errors_of(1, 0.5)
    errors.add(before[:20], after[:20], adapted=False)
    errors.add(before[20:], after[20:], adapted=True)
    for index, error in enumerate(errors.errors()):
        assert error.before == pytest.approx(np.sqrt((before[:, index] ** 2).mean()))
        assert error.after == pytest.approx(np.sqrt((after[:, index] ** 2).mean()))
    assert (errors.gain().batches, errors.gain().rows) == (1, 12)


def test_gain_is_the_share_of_squared_error_that_is_gone():
    errors = PrequentialErrors(("a", "b"), UNIT)
    for seed in range(20):
        wrong = errors_of(seed, 1.0)
        errors.add(wrong, wrong * 0.5, adapted=True)
    gain = errors.gain()
    assert gain.share == pytest.approx(0.75)
    assert gain.low == pytest.approx(0.75)  # every batch gained the same share
    assert gain.is_better


def test_interval_covers_the_true_gain_as_often_as_it_says():
    covered = 0
    for trial in range(300):
        generator = np.random.default_rng(trial)
        errors = PrequentialErrors(("a", "b"), UNIT)
        for _ in range(12):
            shared = generator.normal()  # rows of a batch share their fate
            before = (1 + 0.3 * shared + generator.normal(size=(16, 2))) * UNIT
            after = (0.8 + 0.2 * generator.normal() + 0.8 * generator.normal(size=(16, 2))) * UNIT
            errors.add(before, after, adapted=True)
        true = 1 - (0.64 + 0.04 + 0.64) / (1 + 0.09 + 1)
        gain = errors.gain()
        assert gain.low is not None
        assert gain.high is not None
        covered += gain.low <= true <= gain.high
    assert 0.90 <= covered / 300 <= 0.985


def test_pure_noise_is_no_gain_and_few_batches_say_nothing():
    errors = PrequentialErrors(("a", "b"), UNIT)
    assert errors.gain().low is None
    for seed in range(FEWEST_BATCHES - 1):
        errors.add(errors_of(seed, 1.0), errors_of(seed, 0.1), adapted=True)
    assert errors.gain().share > 0.9
    assert not errors.gain().is_better
    same = PrequentialErrors(("a", "b"), UNIT)
    for seed in range(30):
        same.add(errors_of(seed, 1.0), errors_of(seed + 100, 1.0), adapted=True)
    assert not same.gain().is_better


def test_perfect_parent_gives_no_gain_instead_of_nan():
    errors = PrequentialErrors(("a", "b"), UNIT)
    for _ in range(6):
        errors.add(np.zeros((4, 2)), np.zeros((4, 2)), adapted=True)
    assert errors.gain().share == 0
    assert not errors.gain().is_better


def test_harm_is_seen_in_the_last_batches_alone_and_can_be_forgotten():
    errors = PrequentialErrors(("a", "b"), UNIT)
    for seed in range(50):
        errors.add(errors_of(seed, 1.0), errors_of(seed, 0.5), adapted=True)
    assert errors.recent_harm() is None
    for seed in range(WINDOW):
        errors.add(errors_of(seed, 0.5), errors_of(seed, 1.0), adapted=True)
    assert errors.recent_harm() == pytest.approx(3.0)
    errors.forget_recent()
    assert errors.recent_harm() is None


@pytest.mark.parametrize("freedom", [4, 5, 7, 10, 30, 1000])
def test_quantile_is_that_of_students_t(freedom):
    assert _student(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), abs=0.01)
