"""Each metric against an independent implementation, to 1e-10 relative."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial.distance import cosine as cosine_distance
from skimage.metrics import peak_signal_noise_ratio
from sklearn import metrics as reference
from sklearn.preprocessing import MaxAbsScaler

from spinn_edge.accuracy.metrics import similarity as s
from spinn_edge.core.errors import ParityError, UsageError

RTOL = 1e-10
SHAPES = array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6)
DTYPES = st.sampled_from([np.float64, np.float32, np.int32])
EVERY_METRIC = [
    s.mean_absolute_error,
    s.mean_squared_error,
    s.root_mean_squared_error,
    s.max_abs_error,
    s.r2,
    s.psnr,
    s.cosine_similarity,
    s.error_over_scale,
    s.max_relative_error,
    s.mean_relative_error,
    s.worst_samples,
]


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two arrays of one shape and dtype; the second near the first, or anything at all."""
    dtype, shape = draw(DTYPES), draw(SHAPES)
    elements: Any = (
        st.integers(-(10**6), 10**6)
        if dtype is np.int32
        else st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
    )
    first = draw(arrays(dtype, shape, elements=elements))
    if draw(st.booleans()):
        return first, draw(arrays(dtype, shape, elements=elements))
    noise = np.random.default_rng(draw(st.integers(0, 99))).standard_normal(shape)
    return first, (first + draw(st.sampled_from([1e-3, 1.0, 100.0])) * noise).astype(dtype)


def columns(values: Any) -> Any:
    """One column a channel, by loops instead of the axis juggling under test."""
    if values.ndim == 1:
        return values.astype(np.float64)[:, None]
    lists = [values[:, channel].ravel().tolist() for channel in range(values.shape[1])]
    return np.array(lists, np.float64).T


def close(got: Any, expected: Any, atol: float = 0.0) -> None:
    np.testing.assert_allclose(got, expected, rtol=RTOL, atol=atol)


@given(pairs())
@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (s.mean_absolute_error, reference.mean_absolute_error),
        (s.mean_squared_error, reference.mean_squared_error),
        (s.root_mean_squared_error, reference.root_mean_squared_error),
    ],
)
def test_mean_errors_agree_with_scikit_learn(
    metric: Callable[..., Any], expected: Callable[..., Any], pair: tuple[Any, Any]
) -> None:
    one, other = (columns(values) for values in pair)
    close(metric(*pair), expected(one, other, multioutput="raw_values"))
    pooled = metric(*(s.pooled(values) for values in pair))
    close(pooled, [expected(one.ravel(), other.ravel())])


@given(pairs())
def test_largest_errors_agree_with_scikit_learn(pair: tuple[Any, Any]) -> None:
    one, other = (columns(values) for values in pair)
    largest = [reference.max_error(a, b) for a, b in zip(one.T, other.T, strict=True)]
    close(s.max_abs_error(*pair), largest)
    assume((np.abs(one).max(axis=0) > 1e-12).all())  # below, scikit-learn takes 1
    close(s.error_over_scale(*pair), largest / MaxAbsScaler().fit(one).scale_)


@given(pairs())
def test_r2_agrees_with_scikit_learn(pair: tuple[Any, Any]) -> None:
    one, other = (columns(values) for values in pair)
    varies = np.ptp(one, axis=0) > 0
    got = s.r2(*pair)
    assert np.isnan(got[~varies]).all()
    assume(varies.any() and len(one) > 1)
    expected = reference.r2_score(one[:, varies], other[:, varies], multioutput="raw_values")
    close(got[varies], expected, atol=1e-12)  # 1 - x near 0 has no digits left


@given(pairs(), st.sampled_from([None, 1.0, 255.0]))
def test_psnr_agrees_with_scikit_image(pair: tuple[Any, Any], span: float | None) -> None:
    got = s.psnr(*pair, span)
    for channel, (a, b) in enumerate(zip(*(columns(v).T for v in pair), strict=True)):
        peak = np.ptp(a) if span is None else span
        if np.array_equal(a, b):
            assert got[channel] == math.inf
        elif peak == 0:
            assert math.isnan(got[channel])
        else:
            close(got[channel], peak_signal_noise_ratio(a, b, data_range=peak), atol=1e-10)


@given(pairs())
def test_cosine_agrees_with_scipy(pair: tuple[Any, Any]) -> None:
    got = s.cosine_similarity(*pair)
    for channel, (a, b) in enumerate(zip(*(columns(v).T for v in pair), strict=True)):
        if a.any() and b.any():
            close(got[channel], 1 - cosine_distance(a, b), atol=1e-14)
        else:
            assert got[channel] == (1.0 if not a.any() and not b.any() else 0.0)


@given(pairs())
def test_mean_relative_error_agrees_with_scikit_learn(pair: tuple[Any, Any]) -> None:
    one, other = (columns(values) for values in pair)
    expected = reference.mean_absolute_percentage_error(one, other, multioutput="raw_values")
    close(s.mean_relative_error(*pair, float(np.finfo(np.float64).eps)), expected)


@given(pairs(), st.sampled_from([None, 1e-3, 10.0]))
def test_max_relative_error_agrees_with_exact_fractions(
    pair: tuple[Any, Any], floor: float | None
) -> None:
    one, other = (columns(values) for values in pair)
    scale = max((abs(Fraction(value)) for value in one.ravel()), default=Fraction(0))
    expected = []
    for a, b in zip(one.T, other.T, strict=True):
        own = max(abs(Fraction(value)) for value in a) or scale or Fraction(1)
        least = Fraction(1, 1000) * own if floor is None else Fraction(floor)
        ratios = [
            abs(Fraction(y) - Fraction(x)) / max(abs(Fraction(x)), least)
            for x, y in zip(a, b, strict=True)
        ]
        expected.append(float(max(ratios)))
    close(s.max_relative_error(*pair, floor), expected)


@given(pairs())
def test_worst_sample_holds_the_largest_difference(pair: tuple[Any, Any]) -> None:
    one, other = (values.astype(np.float64) for values in pair)
    for channel, sample in enumerate(s.worst_samples(*pair)):
        at = (int(sample),) if one.ndim == 1 else (int(sample), channel)
        assert np.abs(other[at] - one[at]).max() == s.max_abs_error(*pair)[channel]


@given(pairs())
def test_equal_values_have_no_error(pair: tuple[Any, Any]) -> None:
    one, _ = pair
    for metric in (
        s.mean_absolute_error,
        s.max_abs_error,
        s.error_over_scale,
        s.max_relative_error,
    ):
        assert not metric(one, one.copy()).any()
    close(s.cosine_similarity(one, one.copy()), 1.0)


def test_channel_of_zeros_takes_the_scale_of_the_whole_output() -> None:
    values = np.array([[0.0, 4.0], [0.0, -2.0]])
    assert s.channel_scale(values).tolist() == [4.0, 4.0]
    assert s.channel_scale(np.zeros((2, 3))).tolist() == [1.0, 1.0, 1.0]


def test_destroyed_channel_of_small_scale_is_seen_in_its_own_scale() -> None:
    values = np.random.default_rng(0).standard_normal((50, 2)) * [1.0, 1e-4]
    broken = values * [1.0, 0.0]
    assert s.error_over_scale(values, broken).tolist() == [0.0, 1.0]
    assert (
        s.mean_absolute_error(*map(s.pooled, (values, broken)))[0] < 1e-4
    )  # what an average hides


def test_cosine_neither_overflows_nor_underflows() -> None:
    tiny, huge = np.array([[3e-200], [4e-200]]), np.array([[4e200], [3e200]])
    close(s.cosine_similarity(tiny, huge), [0.96])


@pytest.mark.parametrize("metric", EVERY_METRIC)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_nan_and_inf_never_become_a_number(
    metric: Callable[..., Any], bad: float, side: int
) -> None:
    pair = [np.ones((6, 2, 2)), np.ones((6, 2, 2))]
    pair[side][3, 1, 0] = bad
    pair[side][5, 0, 0] = bad
    with pytest.raises(ParityError, match=r"NaN or Inf, first in sample 3 \(2 of 6 samples\)"):
        metric(*pair)


@pytest.mark.parametrize("metric", EVERY_METRIC)
def test_another_shape_never_becomes_a_number(metric: Callable[..., Any]) -> None:
    with pytest.raises(ParityError, match=r"shape \[6, 1\], the reference \[6, 2\]"):
        metric(np.ones((6, 2)), np.ones((6, 1)))  # numpy would broadcast them


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_floor_and_range_that_are_not_positive_are_refused(value: float) -> None:
    one = np.ones((2, 2))
    with pytest.raises(UsageError, match="expected a number above 0"):
        s.max_relative_error(one, one, value)
    with pytest.raises(UsageError, match="expected a number above 0"):
        s.psnr(one, one + 1, value)
