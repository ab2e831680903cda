"""Noise of computed functions: planted, and of float32 itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.accuracy.physics.noise import POINTS, mostly_equal, noise_level


@given(seed=st.integers(0, 2**32 - 1), power=st.integers(-9, -3), slope=st.floats(-5, 5))
def test_planted_noise_is_found_within_a_factor_under_a_smooth_function(seed, power, slope):
    x = np.linspace(0, 1e-3, 65)
    noise = 10.0**power * np.random.default_rng(seed).standard_normal(65)
    level = noise_level(np.sin(x) + slope * x + noise)
    assert 10.0**power / 2 < level < 10.0**power * 2


def test_nine_points_are_enough_on_the_whole():
    generator = np.random.default_rng(0)
    levels = [noise_level(generator.standard_normal(POINTS)) for _ in range(400)]
    assert 0.7 < np.median(levels) < 1.3
    assert max(levels) < 4


def test_what_is_smooth_is_no_noise():
    assert noise_level(1 + 2 * np.linspace(0, 1, POINTS)) < 1e-14


def test_rounding_to_float32_is_found():
    x = np.linspace(1, 1.001, POINTS)
    level = noise_level(np.exp(x).astype(np.float32))
    assert level == pytest.approx(2.0**-22 / np.sqrt(12), rel=2)  # exp(1) lies in [2, 4)


def test_steps_of_a_coarse_format_are_noticed():
    line = np.linspace(1, 1.001, POINTS)
    assert mostly_equal(line.astype(np.float16))
    assert not mostly_equal(line.astype(np.float32))
