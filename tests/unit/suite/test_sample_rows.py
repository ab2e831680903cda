import numpy as np
import pytest
import torch

from spinn_edge.core.errors import UsageError
from spinn_edge.suite.sample_rows import read_sample, sample_alone, sample_and_draws, specs_of
from tests.unit.suite.models import Gated, mlp, sample


def drawn(given, rows):
    held = {"input": given}
    return sample_and_draws(held)(specs_of(held), rows)


def test_tensor_becomes_one_input_with_a_dynamic_batch():
    arrays = read_sample(sample(4, 3), mlp())
    (spec,) = specs_of(arrays)
    assert (spec.name, spec.shape, spec.dtype) == ("input", (None, 3), np.dtype(np.float32))


def test_tuple_keeps_its_order():
    assert list(read_sample((sample(2, 3), sample(2, 3)), Gated())) == ["input_0", "input_1"]


def test_dict_is_put_into_the_order_of_forward():
    given = {"gate": sample(2, 3), "signal": sample(2, 3) + 10}
    arrays = read_sample(given, Gated())
    assert list(arrays) == ["signal", "gate"]
    np.testing.assert_array_equal(arrays["gate"], given["gate"].numpy())


def test_forward_that_takes_anything_gets_the_order_of_the_dict():
    class Anything(Gated):
        def forward(self, *inputs):
            return super().forward(*inputs)

    assert list(read_sample({"b": sample(2, 3), "a": sample(2, 3)}, Anything())) == ["b", "a"]


@pytest.mark.parametrize("names", [("signal",), ("signal", "door"), ("signal", "gate", "more")])
def test_dict_with_other_names_than_forward_is_refused(names):
    with pytest.raises(UsageError, match=r"forward takes \['signal', 'gate'\]"):
        read_sample({name: sample(2, 3) for name in names}, Gated())


@pytest.mark.parametrize("given", [[[1.0]], np.zeros((1, 3)), None, 3, "x", [], {}, (), (1, 2)])
def test_what_is_no_tensor_is_refused(given):
    with pytest.raises(UsageError, match=r"^sample_input.*expected a tensor, a tuple of tensors"):
        read_sample(given, mlp())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.complex64])
def test_other_floats_than_float32_are_refused(dtype):
    with pytest.raises(UsageError, match=r"models are timed in float32.*\.float\(\)"):
        read_sample(torch.zeros(1, 3, dtype=dtype), mlp())


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 0)])
def test_sample_without_a_row_is_refused(shape):
    with pytest.raises(UsageError, match=r"expected \(batch, \.\.\.\), with at least one sample"):
        read_sample(torch.zeros(shape), mlp())


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_sample_with_nan_or_inf_is_refused(value):
    with pytest.raises(UsageError, match="holds NaN or Inf"):
        read_sample(torch.tensor([[1.0, value, 2.0]]), mlp())


def test_inputs_of_different_batches_are_refused():
    with pytest.raises(UsageError, match="input_0 2, input_1 3"):
        read_sample((sample(2, 3), sample(3, 3)), Gated())


def test_changing_the_sample_later_changes_nothing():
    given = sample(1, 3)
    arrays = read_sample(given, mlp())
    before = arrays["input"].copy()
    given.zero_()
    np.testing.assert_array_equal(arrays["input"], before)


def test_golden_rows_begin_with_the_sample_and_stay_between_its_values():
    given = sample(4, 3).numpy()
    golden = drawn(given, 32)
    rows = golden.arrays["input"]
    assert (rows.shape, rows.dtype) == ((32, 3), np.float32)
    np.testing.assert_array_equal(rows[:4], given)
    assert (rows >= given.min(axis=0)).all()
    assert (rows <= given.max(axis=0)).all()
    assert len(np.unique(rows, axis=0)) == 32
    assert golden.source == "4 rows of sample_input and 28 drawn between them, seed 0"


def test_single_row_is_varied_between_its_own_values():
    rows = drawn(np.array([[1.0, 2.0, 5.0]], np.float32), 16).arrays["input"]
    assert len(np.unique(rows, axis=0)) == 16
    assert rows.min() >= 1
    assert rows.max() <= 5


def test_zeros_are_replaced_by_noise_since_they_can_be_faster_than_data():
    golden = drawn(np.zeros((2, 3), np.float32), 16)
    assert not (golden.arrays["input"] == 0).any()
    assert "'input' is 0 everywhere: noise around it" in golden.source


def test_whole_numbers_are_drawn_from_the_sample():
    golden = drawn(np.array([[7, 9]], np.int64), 16).arrays["input"]
    assert golden.dtype == np.int64
    assert set(golden.ravel().tolist()) == {7, 9}


def test_no_more_rows_than_asked_for():
    assert drawn(sample(40, 3).numpy(), 8).arrays["input"].shape == (8, 3)


def test_same_sample_gives_the_same_rows():
    given = sample(2, 3).numpy()
    np.testing.assert_array_equal(drawn(given, 9).arrays["input"], drawn(given, 9).arrays["input"])


def test_sample_alone_adds_nothing():
    held = {"input": sample(4, 3).numpy()}
    golden = sample_alone(held)(specs_of(held), 32)
    np.testing.assert_array_equal(golden.arrays["input"], held["input"])
    assert golden.source == "4 rows of sample_input"
