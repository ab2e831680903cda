from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.core.errors import BundleError, InferenceError
from spinn_edge.core.tensors import TensorSpec, are_as_before, batch_of, check_feeds, describe

FLOAT32 = np.dtype("float32")
INPUT = TensorSpec("input", (None, 18), FLOAT32)
TIME = TensorSpec("time", (None,), np.dtype("int64"))


@given(
    name=st.text(),
    shape=st.lists(st.none() | st.integers(0, 4096), max_size=5),
    dtype=st.sampled_from(["float16", "float32", "float64", "int8", "int64", "bool", "uint8"]),
)
def test_spec_survives_the_round_trip_through_json(
    name: str, shape: list[int | None], dtype: str
) -> None:
    spec = TensorSpec(name, tuple(shape), np.dtype(dtype))

    assert TensorSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", None),
        ("name", 7),
        ("shape", None),
        ("shape", "18"),
        ("shape", 18),
        ("shape", [None, "18"]),
        ("shape", [None, 18.5]),
        ("shape", [True, 18]),
        ("dtype", None),
        ("dtype", "float33"),
        ("dtype", 4),
    ],
)
def test_malformed_spec_is_refused_with_what_was_found(key: str, value: Any) -> None:
    data = INPUT.to_json() | {key: value}

    with pytest.raises(BundleError, match="malformed tensor spec") as caught:
        TensorSpec.from_json(data)

    assert repr(value) in str(caught.value)
    assert "[null, 18]" in str(caught.value)


@pytest.mark.parametrize("key", ["name", "shape", "dtype"])
def test_spec_without_a_key_is_refused(key: str) -> None:
    data = INPUT.to_json()
    del data[key]

    with pytest.raises(BundleError, match="malformed tensor spec"):
        TensorSpec.from_json(data)


def test_at_batch_fills_in_the_batch_axis_alone() -> None:
    assert TensorSpec("x", (None, 3, 8), FLOAT32).at_batch(5) == (5, 3, 8)
    assert TensorSpec("x", (2, 3), FLOAT32).at_batch(5) == (5, 3)
    assert TensorSpec("x", (None, None), FLOAT32).at_batch(5) is None


def test_describe_names_the_batch_and_other_dynamic_axes() -> None:
    assert describe(INPUT) == "float32 [batch, 18]"
    assert describe(TensorSpec("x", (4, None), FLOAT32)) == "float32 [4, ?]"


def test_fitting_feeds_pass_and_give_their_batch() -> None:
    feeds: dict[str, Any] = {"time": np.zeros(3, np.int64), "input": np.zeros((3, 18), np.float32)}

    check_feeds((INPUT, TIME), feeds)

    assert batch_of((INPUT, TIME), feeds) == 3


def feeds_with(**changes: Any) -> dict[str, Any]:
    return {"input": np.zeros((3, 18), np.float32), "time": np.zeros(3, np.int64)} | changes


@pytest.mark.parametrize(
    ("feeds", "given", "expected"),
    [
        ({"input": np.zeros((3, 18), np.float32)}, "input 'time' missing", "['input', 'time']"),
        (feeds_with(extra=np.zeros(3)), "too many inputs", "['input', 'time']"),
        (feeds_with(input=[[0.0] * 18] * 3), "is a list", "float32 [batch, 18]"),
        (feeds_with(input=np.zeros((3, 18))), "float64 [3, 18]", "float32 [batch, 18]"),
        (feeds_with(input=np.zeros((3, 17), np.float32)), "[3, 17]", "[batch, 18]"),
        (feeds_with(input=np.zeros(18, np.float32)), "[18]", "[batch, 18]"),
        (feeds_with(input=np.zeros((0, 18), np.float32)), "0 samples", "at least 1"),
        (feeds_with(time=np.zeros(4, np.int64)), "has 4 samples", "before it 3"),
    ],
)
def test_feed_that_does_not_fit_is_refused(
    feeds: dict[str, Any], given: str, expected: str
) -> None:
    with pytest.raises(InferenceError) as caught:
        check_feeds((INPUT, TIME), feeds)

    assert given in str(caught.value)
    assert expected in str(caught.value)


SPECS = (
    TensorSpec("a", (None, 3), np.dtype("float32")),
    TensorSpec("b", (None, 2), np.dtype("float32")),
)
SHAPES = {"a": (4, 3), "b": (4, 2)}


def feeds_of(**changes):
    feeds = {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}
    return {name: array for name, array in (feeds | changes).items() if array is not None}


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({}, True),
        ({"a": np.zeros((4, 3), np.float64)}, False),
        ({"a": np.zeros((5, 3), np.float32)}, False),
        ({"a": np.zeros((4, 3), ">f4")}, False),
        ({"b": None}, False),
        ({"c": np.zeros((4, 2), np.float32)}, False),
        ({"b": None, "c": np.zeros((4, 2), np.float32)}, False),
        ({"a": [[0.0] * 3] * 4}, False),
    ],
)
def test_only_feeds_like_those_that_passed_need_no_check(changes, known):
    assert are_as_before(SPECS, SHAPES, feeds_of(**changes)) is known


def test_the_first_feeds_are_never_known():
    assert not are_as_before(SPECS, {}, feeds_of())
