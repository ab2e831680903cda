from typing import Any

import numpy as np
import pytest

from spinn_edge.accuracy.metrics.faults import find_fault

GOOD = np.zeros((4, 3), np.float32)


def changed(row: int, value: float) -> Any:
    array = GOOD.copy()
    array[row, 1] = value
    return array


@pytest.mark.parametrize(
    ("expected", "got", "sample", "words"),
    [
        (GOOD, changed(2, np.nan), 2, "b holds NaN or Inf, first in sample 2 (1 of 4 samples)"),
        (changed(1, np.inf), GOOD, 1, "a holds NaN or Inf, first in sample 1"),
        (GOOD, GOOD[:, :2], 0, "b has shape [4, 2], a [4, 3], from sample 0 on"),
        (GOOD, GOOD[:3], 3, "b has shape [3, 3], a [4, 3], from sample 3 on"),
        (GOOD, GOOD.astype(np.float64), 0, "b has dtype float64, a float32"),
        (GOOD, GOOD.astype(np.int64), 0, "b has dtype int64, a float32"),
        (GOOD, GOOD.astype(np.complex64), 0, "b is complex64, expected real numbers"),
        (np.array(["a"]), np.array(["a"]), 0, "a is <U1, expected real numbers"),
        (GOOD[:0], GOOD[:0], 0, "a has shape [0, 3], no samples"),
        (GOOD, np.float32(1.0), 0, "b has shape [], no samples"),
    ],
)
def test_fault_names_what_and_the_first_sample(
    expected: Any, got: Any, sample: int, words: str
) -> None:
    fault = find_fault(expected, np.asarray(got), names=("a", "b"))
    assert fault is not None
    assert fault.sample == sample
    assert words in fault.reason


def test_finite_arrays_of_one_shape_and_dtype_have_none() -> None:
    assert find_fault(GOOD, GOOD + 1) is None
    assert find_fault(np.array([1, 2]), np.array([3, 4])) is None


def test_dtype_may_differ_where_targets_are_compared() -> None:
    assert find_fault(GOOD.astype(np.float64), GOOD, same_dtype=False) is None
