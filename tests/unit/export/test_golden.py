import numpy as np
import pytest

from spinn_edge.accuracy.parity import LIMITS
from spinn_edge.core.errors import ExportError, UsageError
from spinn_edge.core.table import read_table
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export.golden import (
    MOST_BYTES,
    MOST_ROWS,
    GoldenInputs,
    golden_rows,
    make_references,
    random_inputs,
    rows_as_golden,
    table_as_golden,
    table_inputs,
)
from spinn_edge.export.reference import Reference

FLOAT32 = np.dtype(np.float32)


def spec(*shape, name="input", dtype=FLOAT32):
    return TensorSpec(name, (None, *shape), np.dtype(dtype))


# --- how many


def test_as_many_rows_as_the_largest_batch():
    assert golden_rows([spec(18)], 16) == 16


def test_never_more_than_the_limit_in_number():
    assert golden_rows([spec(18)], 10**6) == MOST_ROWS


def test_never_more_than_the_limit_in_bytes_but_at_least_one():
    rows = golden_rows([spec(3, 224, 224)], 1024)
    sample_bytes = 3 * 224 * 224 * 4
    assert rows * sample_bytes <= MOST_BYTES < (rows + 1) * sample_bytes
    assert golden_rows([spec(4096, 4096)], 1024) == 1


def test_bytes_of_all_inputs_count():
    one, two = spec(512, 512, name="a"), spec(512, 512, name="b")
    assert golden_rows([one, two], 1024) == golden_rows([one], 1024) // 2


# --- noise


def test_noise_has_the_inputs_shapes_and_types():
    inputs = random_inputs([spec(18, name="a"), spec(3, 8, name="b", dtype=np.float64)], 5)
    assert {key: (a.shape, a.dtype.name) for key, a in inputs.arrays.items()} == {
        "a": ((5, 18), "float32"),
        "b": ((5, 3, 8), "float64"),
    }


def test_noise_is_standard_normal_and_repeats_with_its_seed():
    first, again = (random_inputs([spec(100)], 200).arrays["input"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert abs(first.mean()) < 0.05
    assert abs(first.std() - 1) < 0.05
    other = random_inputs([spec(100)], 200, seed=1).arrays["input"]
    assert not np.array_equal(first, other)


def test_noise_says_that_no_data_was_given():
    assert "no data given" in random_inputs([spec(18)], 2).source


# --- rows of a table


def test_rows_with_the_extremes_of_each_column_are_always_drawn():
    features = np.random.default_rng(0).standard_normal((1000, 4))
    features[123, 2], features[877, 0] = 99, -99
    drawn = table_inputs(spec(4), features, 16, source="table").arrays["input"]
    assert drawn.shape == (16, 4)
    np.testing.assert_array_equal(drawn.max(axis=0), features.max(axis=0).astype(np.float32))
    np.testing.assert_array_equal(drawn.min(axis=0), features.min(axis=0).astype(np.float32))


def test_no_row_is_drawn_twice_and_none_is_made_up():
    features = np.arange(40, dtype=np.float64).reshape(20, 2)
    drawn = table_inputs(spec(2), features, 12, source="table").arrays["input"]
    assert len(np.unique(drawn, axis=0)) == 12
    assert {tuple(row) for row in drawn.tolist()} <= {tuple(row) for row in features.tolist()}


def test_a_short_table_gives_all_its_rows_and_says_how_many():
    inputs = table_inputs(spec(2), np.eye(2), 100, source="wear.csv")
    assert inputs.arrays["input"].shape == (2, 2)
    assert inputs.source == "2 rows of wear.csv"


def test_the_same_rows_are_drawn_again():
    features = np.random.default_rng(0).standard_normal((100, 2))
    first, again = (table_inputs(spec(2), features, 9, source="t").arrays["input"] for _ in "ab")
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    "inputs", [(spec(3),), (spec(2, name="a"), spec(2, name="b")), (spec(2, 1),)], ids=len
)
def test_a_table_that_does_not_fit_the_model_is_refused(inputs):
    make = rows_as_golden(np.zeros((5, 2)), "wear.csv")
    with pytest.raises(UsageError, match=r"wear.csv has 2 columns, but .*--features"):
        make(inputs, 5)


def test_incomplete_rows_are_left_out(write_csv):
    table = read_table(write_csv(["a,b,c", "1,2,x", "3,,y", "5,6,z", "inf,1,w"]))
    inputs = table_as_golden(table, ["b", "a"])((spec(2),), 10)
    assert sorted(inputs.arrays["input"].tolist()) == [[2, 1], [6, 5]]
    assert inputs.source == "2 rows of data.csv"


def test_a_table_without_a_complete_row_is_refused(write_csv):
    table = read_table(write_csv(["a,b", "1,", ",2"]))
    with pytest.raises(UsageError, match="every row has missing values"):
        table_as_golden(table, ["a", "b"])


# --- references

INPUTS = GoldenInputs(arrays={"x": np.arange(6, dtype=np.float32).reshape(3, 2)}, source="rows")


def reference_of(exact, eager=None, note=""):
    return Reference(exact=exact, eager=eager or exact, note=note)


def doubled(inputs):
    return {"y": 2 * inputs["x"].astype(np.float64)}


def test_outputs_are_those_of_the_exact_evaluator_in_float64():
    made = make_references(
        INPUTS,
        reference_of(doubled, lambda inputs: {"y": (2 * inputs["x"] + 0.25).astype(np.float32)}),
    )
    assert made.golden.outputs["y"].dtype == np.float64
    np.testing.assert_array_equal(made.golden.outputs["y"], 2 * INPUTS.arrays["x"])
    np.testing.assert_array_equal(made.eager["y"], 2 * INPUTS.arrays["x"] + 0.25)


def test_limits_hold_the_error_of_eager_and_a_share_of_the_scale():
    made = make_references(
        INPUTS,
        reference_of(doubled, lambda inputs: {"y": (2 * inputs["x"] + 0.25).astype(np.float32)}),
    )
    assert made.limits["y"].scale == (8.0, 10.0)
    assert made.limits["y"].eager_error == (0.25, 0.25)
    assert made.limits["y"].tolerance == (0.25 + 8 * LIMITS["fp32"], 0.25 + 10 * LIMITS["fp32"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["exact", "eager"])
def test_outputs_that_are_not_finite_are_refused(value, where):
    def spoiled(inputs):
        outputs = doubled(inputs)
        outputs["y"][2, 1] = value
        return outputs

    evaluators = {"exact": doubled, "eager": doubled} | {where: spoiled}
    with pytest.raises(ExportError, match=r"'y' holds NaN or Inf .*\(rows\).*--data CSV"):
        make_references(INPUTS, Reference(**evaluators))


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (6,)], ids=str)
def test_outputs_whose_first_axis_is_not_the_batch_are_refused(shape):
    with pytest.raises(ExportError, match=r"'y' has shape .* for 3 samples; its first axis"):
        make_references(INPUTS, reference_of(lambda inputs: {"y": np.zeros(shape)}))


def test_a_note_of_the_reference_is_kept():
    assert make_references(INPUTS, reference_of(doubled, note="float32")).source == "rows; float32"
    assert make_references(INPUTS, reference_of(doubled)).source == "rows"
