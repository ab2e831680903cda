import numpy as np
import pytest

from spinn_edge.accuracy.divergence.tensor_statistics import tensor_statistics


def test_figures_are_those_of_the_finite_values() -> None:
    found = tensor_statistics(np.array([[1.0, 2.0, np.nan], [6.0, np.inf, 3.0]], np.float32))
    assert (found.min, found.max, found.mean) == (1.0, 6.0, 3.0)
    assert found.std == pytest.approx(np.std([1, 2, 6, 3]))
    assert found.not_finite_share == pytest.approx(2 / 6)


def test_a_tensor_without_finite_values_has_no_figures() -> None:
    found = tensor_statistics(np.array([np.nan, -np.inf]))
    assert (found.min, found.max, found.mean, found.std) == (None, None, None, None)
    assert found.not_finite_share == 1
