import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import convolve2d

from spinn_edge.accuracy.metrics.ssim import has_windows, structural_similarity
from spinn_edge.core.errors import MissingDependencyError, ParityError, UsageError


def ssim_of_wang(one: np.ndarray, other: np.ndarray, span: float) -> float:
    """Equations 6, 9, 10, 13 of Wang et al. (2004), with explicit sums over each window."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(values: np.ndarray) -> np.ndarray:
        return convolve2d(values, window, mode="valid")

    mu_x, mu_y = mean(one), mean(other)
    var_x, var_y = mean(one * one) - mu_x**2, mean(other * other) - mu_y**2
    covariance = mean(one * other) - mu_x * mu_y
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    numerator = (2 * mu_x * mu_y + c1) * (2 * covariance + c2)
    return float((numerator / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))).mean())


@given(
    st.integers(0, 2**31),
    st.integers(11, 24),
    st.integers(11, 24),
    st.sampled_from([0.0, 0.01, 0.3, 2.0]),
    st.sampled_from([None, 1.0, 255.0]),
)
def test_ssim_agrees_with_the_equations_of_wang(
    seed: int, height: int, width: int, noise: float, span: float | None
) -> None:
    random = np.random.default_rng(seed)
    one = random.random((2, 2, height, width)) * np.array([1.0, 50.0])[None, :, None, None]
    other = one + noise * random.standard_normal(one.shape)
    got = structural_similarity(one, other, span)
    assert got.shape == (2, 2)
    for channel in range(2):
        peak = np.ptp(one[:, channel]) if span is None else span
        for sample in range(2):
            expected = ssim_of_wang(one[sample, channel], other[sample, channel], peak)
            np.testing.assert_allclose(got[sample, channel], expected, rtol=1e-10, atol=1e-12)


def test_constant_reference_defines_no_similarity_but_with_itself() -> None:
    flat = np.full((2, 1, 12, 12), 3.0)
    other = flat.copy()
    other[1] += 1
    got = structural_similarity(flat, other)
    assert got[0, 0] == 1.0
    assert np.isnan(got[1, 0])
    assert structural_similarity(flat, other, 10.0)[1, 0] < 1


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 12), (4, 1, 10, 12), (2, 1, 12, 12, 12)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    values = np.ones(shape)
    assert not has_windows(values)
    with pytest.raises(UsageError, match="SSIM is for images"):
        structural_similarity(values, values)


def test_range_that_is_not_positive_is_refused() -> None:
    values = np.ones((1, 1, 11, 11))
    with pytest.raises(UsageError, match="span=0"):
        structural_similarity(values, values, 0.0)


def test_nan_is_refused_with_its_sample() -> None:
    values = np.ones((3, 1, 11, 11))
    broken = values.copy()
    broken[2, 0, 5, 5] = np.nan
    with pytest.raises(ParityError, match="first in sample 2"):
        structural_similarity(values, broken)


def test_missing_scikit_image_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    values = np.ones((1, 1, 11, 11))
    with pytest.raises(MissingDependencyError, match=r"spinn-edge\[image\]"):
        structural_similarity(values, values)
