import numpy as np
import pytest

from spinn_edge.bench.evidence.output_difference import output_difference
from spinn_edge.core.golden import Golden

X = np.ones((2, 3), np.float32)


def golden(*outputs, x=X):
    named = {f"y{i}": np.asarray(values, np.float64) for i, values in enumerate(outputs)}
    return Golden(inputs={"x": x}, outputs=named)


def test_difference_is_that_of_the_channel_where_it_weighs_most():
    before = golden([[100.0, 1.0], [50.0, 0.5]])
    after = golden([[103.0, 1.0], [50.0, 0.4]])
    found = output_difference(before, after)
    assert found.max_abs == pytest.approx(0.1)
    assert found.of_scale == pytest.approx(0.1)


def test_scale_is_the_baselines():
    assert output_difference(golden([[1.0]]), golden([[4.0]])).of_scale == pytest.approx(3.0)
    assert output_difference(golden([[4.0]]), golden([[1.0]])).of_scale == pytest.approx(0.75)


def test_later_output_counts_too():
    found = output_difference(golden([[1.0]], [[10.0]]), golden([[1.0]], [[5.0]]))
    assert (found.max_abs, found.of_scale) == (5.0, 0.5)


def test_larger_difference_of_a_larger_output_weighs_less():
    found = output_difference(golden([[1.0]], [[100.0]]), golden([[0.5]], [[99.0]]))
    assert (found.max_abs, found.of_scale) == (0.5, 0.5)


def test_channel_that_is_zero_takes_the_scale_of_the_output():
    found = output_difference(golden([[0.0, 4.0]]), golden([[1.0, 4.0]]))
    assert found.of_scale == pytest.approx(0.25)


def test_equal_outputs_do_not_differ():
    found = output_difference(golden([[0.0]]), golden([[0.0]]))
    assert (found.max_abs, found.of_scale, found.reason) == (0.0, 0.0, None)


def test_other_inputs_are_not_compared():
    found = output_difference(golden([[1.0]]), golden([[1.0]], x=2 * X))
    assert found.max_abs is None
    assert found.reason == "they were given other inputs"


def test_other_shapes_are_not_compared():
    found = output_difference(golden([[1.0]]), golden([[1.0, 2.0]]))
    assert found.reason == "their outputs have other shapes"
