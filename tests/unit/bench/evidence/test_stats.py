import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.bench.evidence.stats import TAIL_SAMPLES, quantile


@given(
    st.lists(st.floats(1e-9, 1e3), min_size=100, max_size=300),
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9]),
)
def test_quantiles_are_those_of_numpy(samples, q):
    assert quantile(samples, q) == pytest.approx(np.quantile(samples, q), rel=1e-12)


@pytest.mark.parametrize(("q", "fewest"), [(0.5, 20), (0.9, 100), (0.99, 1000)])
def test_a_quantile_needs_ten_samples_beyond_it(q, fewest):
    samples = [float(number) for number in range(fewest)]
    assert quantile(samples[:-1], q) is None
    assert quantile(samples, q) == pytest.approx(np.quantile(samples, q))


def test_nothing_is_said_of_no_samples():
    assert quantile([], 0.5) is None


def test_the_order_of_samples_does_not_matter_and_stays():
    samples = [3.0, 1.0, 2.0] * 10
    assert quantile(samples, 0.5) == 2.0
    assert samples == [3.0, 1.0, 2.0] * 10


def test_the_tail_is_ten_samples():
    assert TAIL_SAMPLES == 10
