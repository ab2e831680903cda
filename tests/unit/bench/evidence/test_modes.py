"""Modes of samples that are drawn from known distributions, over many seeds."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinn_edge.bench.evidence.modes import FEWEST_SAMPLES, SMALLEST_SHARE, modes_of

AT_S = 30e-6
SEEDS = range(30)


def ticked(durations_s, rng, period_s):
    """Read a clock of a period, cut to whole nanoseconds, before and after each duration."""
    begins_s = rng.random(len(durations_s)) * 1e-3
    before, after = (
        np.floor(np.floor(at_s / period_s) * period_s * 1e9 + 1e-6)
        for at_s in (begins_s, begins_s + durations_s)
    )
    return (after - before) / 1e9


ONE_MODE = {
    "normal, 5 % wide": lambda r, n: 1 + 0.05 * r.standard_normal(n),
    "normal, 0.5 % wide": lambda r, n: 1 + 0.005 * r.standard_normal(n),
    "lognormal, narrow": lambda r, n: r.lognormal(0, 0.05, n),
    "lognormal, wide": lambda r, n: r.lognormal(0, 1, n),
    "gamma": lambda r, n: r.gamma(2, size=n),
    "gamma behind a floor": lambda r, n: 1 + 0.1 * r.gamma(0.5, size=n),
    "exponential": lambda r, n: r.exponential(size=n),
    "a tenth delayed": lambda r, n: (
        1 + 0.02 * r.standard_normal(n) + (r.random(n) < 0.1) * r.exponential(0.5, n)
    ),
    "a fifth delayed for long": lambda r, n: (
        1 + 0.02 * r.standard_normal(n) + (r.random(n) < 0.2) * r.exponential(1, n)
    ),
    "power law": lambda r, n: 1 + 0.1 * r.pareto(1.5, n),
    "heavy on both sides": lambda r, n: np.exp(0.03 * r.standard_t(2, n)),
    "uniform": lambda r, n: 1 + r.random(n),
    "outliers": lambda r, n: (
        np.where(r.random(n) < 0.003, 30, 1) * (1 + 0.03 * r.standard_normal(n))
    ),
    "ticks of 3 %": lambda r, n: (
        ticked(AT_S * (1 + 0.05 * r.standard_normal(n) + r.exponential(0.1, n)), r, 1e-6) / AT_S
    ),
    "ticks of 20 %": lambda r, n: ticked(5e-6 * r.lognormal(0, 0.3, n), r, 1e-6) / 5e-6,
    "ticks of 25 %, narrow": lambda r, n: ticked(4e-6 * r.lognormal(0, 0.03, n), r, 1e-6) / 4e-6,
    "ticks of 42 ns": lambda r, n: ticked(0.6e-6 * r.lognormal(0, 0.1, n), r, 125e-9 / 3) / 0.6e-6,
}


def mixture(rng, count, shares, at, width=0.05):
    return AT_S * rng.choice(at, count, p=shares) * rng.lognormal(0, width, count)


@pytest.mark.parametrize("count", [100, 1000, 5000])
@pytest.mark.parametrize("shape", ONE_MODE)
def test_one_mode_is_one_whatever_its_tail(shape, count):
    for seed in SEEDS:
        samples = AT_S * ONE_MODE[shape](np.random.default_rng(seed), count)
        assert len(modes_of(samples.tolist())) == 1, seed


@pytest.mark.parametrize("step", [1.3, 1.6])
@pytest.mark.parametrize(
    ("share", "count"), [(0.5, 1000), (0.5, 5000), (0.8, 1000), (0.8, 5000), (0.9, 5000)]
)
def test_two_modes_are_found_where_they_are(share, count, step):
    for seed in SEEDS:
        samples = mixture(np.random.default_rng(seed), count, (share, 1 - share), (1, step))
        fast, slow = modes_of(samples.tolist())
        assert fast.at_s == pytest.approx(AT_S, rel=0.02), seed
        assert slow.at_s == pytest.approx(step * AT_S, rel=0.03), seed
        assert fast.share == pytest.approx(share, abs=0.05), seed


def test_a_tenth_of_a_thousand_runs_is_nearly_always_found():
    samples = (mixture(np.random.default_rng(s), 1000, (0.9, 0.1), (1, 1.3)) for s in range(100))
    assert sum(len(modes_of(one.tolist())) == 2 for one in samples) >= 80


def test_two_modes_are_found_though_each_has_a_tail_and_the_clock_is_coarse():
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        durations = mixture(rng, 1000, (0.8, 0.2), (1, 1.6)) * (1 + rng.exponential(0.05, 1000))
        assert len(modes_of(ticked(durations, rng, 1e-6).tolist())) == 2, seed


def test_three_modes_are_three():
    for seed in SEEDS:
        samples = mixture(np.random.default_rng(seed), 1000, (0.5, 0.3, 0.2), (1, 1.3, 1.8))
        modes = modes_of(samples.tolist())
        assert [round(mode.at_s / AT_S, 1) for mode in modes] == [1.0, 1.3, 1.8], seed


def test_a_mode_tells_its_median_its_share_and_how_far_it_reaches():
    fast = [1e-6 + step * 1e-9 for step in range(-50, 100)]
    slow = [2e-6 + step * 1e-9 for step in range(-25, 26)]
    first, second = modes_of(slow[::-1] + fast)
    assert first.at_s == pytest.approx(1.0245e-6)
    assert (first.share, first.low_s, first.high_s) == (150 / 201, fast[0], fast[-1])
    assert (second.at_s, second.share) == (2e-6, 51 / 201)
    assert (second.low_s, second.high_s) == (slow[0], slow[-1])


def test_neighbouring_ticks_of_a_coarse_clock_are_no_modes():
    assert len(modes_of([2e-6, 3e-6] * 100)) == 1
    assert len(modes_of([5e-6] * 30 + [6e-6] * 100 + [7e-6] * 60)) == 1


@pytest.mark.parametrize(("share", "found"), [(0.03, 1), (0.08, 2)])
def test_what_is_rarer_than_the_smallest_share_is_a_tail(share, found):
    assert 0.03 < SMALLEST_SHARE < 0.08
    samples = mixture(np.random.default_rng(0), 5000, (1 - share, share), (1, 3))
    assert len(modes_of(samples.tolist())) == found


def test_a_rare_mode_joins_the_one_beside_it():
    samples = mixture(np.random.default_rng(0), 5000, (0.55, 0.42, 0.03), (1, 1.6, 3))
    assert [round(mode.share, 2) for mode in modes_of(samples.tolist())] == [0.55, 0.45]


def test_a_shallow_valley_parts_nothing_though_many_samples_show_it():
    samples = mixture(np.random.default_rng(0), 50_000, (0.5, 0.5), (1, 1.14))
    assert len(modes_of(samples.tolist())) == 1


@pytest.mark.parametrize(("step", "found"), [(1.07, 1), (1.13, 2)])
def test_modes_that_are_nearly_alike_are_one(step, found):
    samples = mixture(np.random.default_rng(0), 5000, (0.5, 0.5), (1, step), width=0.005)
    assert len(modes_of(samples.tolist())) == found


def test_few_samples_say_nothing():
    samples = mixture(np.random.default_rng(0), FEWEST_SAMPLES, (0.5, 0.5), (1, 2)).tolist()
    assert modes_of(samples[:-1]) == ()
    assert len(modes_of(samples)) == 2


@pytest.mark.parametrize("samples", [[0.0] * 200, [0.0, 1e-6] * 100, [1e-5] * 200])
def test_a_clock_that_hardly_moves_shows_one_mode(samples):
    (mode,) = modes_of(samples)
    assert (mode.share, mode.low_s, mode.high_s) == (1.0, min(samples), max(samples))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1e3), min_size=FEWEST_SAMPLES, max_size=200),
    st.sampled_from([1.0, 1e-300, 1e-6]),
)
def test_every_sample_is_in_one_mode(samples, scale):
    samples = [scale * sample for sample in samples]
    modes = modes_of(samples)
    assert sum(mode.share for mode in modes) == pytest.approx(1)
    assert (modes[0].low_s, modes[-1].high_s) == (min(samples), max(samples))
    for fast, slow in itertools.pairwise(modes):
        assert fast.high_s < slow.low_s
    for mode in modes:
        held = [sample for sample in samples if mode.low_s <= sample <= mode.high_s]
        assert mode.share == pytest.approx(len(held) / len(samples))
        assert mode.at_s == np.median(held)
