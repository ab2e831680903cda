from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import BundleError
from spinn_edge.core.tensors import TensorSpec


@dataclass(frozen=True)
class Inner:
    text: str
    count: int | None = None


@dataclass(frozen=True)
class Outer:
    ratio: float
    flag: bool
    names: tuple[str, ...]
    inner: Inner
    by_name: Mapping[str, Inner] = field(default_factory=dict)
    anything: Any = None


VALID = {"ratio": 0.5, "flag": True, "names": ["a", "b"], "inner": {"text": "t"}}

inners = st.builds(Inner, text=st.text(), count=st.none() | st.integers(-(2**63), 2**63))
outers = st.builds(
    Outer,
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    names=st.lists(st.text()).map(tuple),
    inner=inners,
    by_name=st.dictionaries(st.text(), inners),
    anything=st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers()),
)


@given(outers)
def test_dataclass_survives_the_round_trip_through_json(value: Outer) -> None:
    assert decode(Outer, json.loads(json.dumps(encode(value))), where="doc") == value


def test_whole_number_is_read_as_float_where_a_float_is_wanted() -> None:
    assert isinstance(decode(Outer, VALID | {"ratio": 1}, where="doc").ratio, float)


def test_unknown_key_of_a_newer_writer_is_ignored() -> None:
    assert decode(Outer, VALID | {"new": 1}, where="doc") == decode(Outer, VALID, where="doc")


def test_missing_key_is_named() -> None:
    data = {key: value for key, value in VALID.items() if key != "flag"}

    with pytest.raises(BundleError, match=r"doc: key 'flag' is missing"):
        decode(Outer, data, where="doc")


@pytest.mark.parametrize(
    ("change", "path", "wanted", "found"),
    [
        ({"ratio": "0.5"}, "doc.ratio", "float", "str '0.5'"),
        ({"ratio": True}, "doc.ratio", "float", "bool True"),
        ({"flag": 1}, "doc.flag", "bool", "int 1"),
        ({"names": "ab"}, "doc.names", "a list", "str 'ab'"),
        ({"names": ["a", 2]}, "doc.names[1]", "str", "int 2"),
        ({"inner": ["t"]}, "doc.inner", "an object", "list ['t']"),
        ({"inner": {"text": "t", "count": True}}, "doc.inner.count", "int", "bool True"),
        ({"inner": {"text": "t", "count": 1.0}}, "doc.inner.count", "int", "float 1.0"),
        ({"by_name": []}, "doc.by_name", "an object", "list []"),
        ({"by_name": {"x": {"text": None}}}, "doc.by_name.x.text", "str", "NoneType None"),
    ],
)
def test_ill_typed_key_is_refused_with_its_path(
    change: dict[str, Any], path: str, wanted: str, found: str
) -> None:
    with pytest.raises(BundleError) as caught:
        decode(Outer, VALID | change, where="doc")

    assert str(caught.value) == f"{path}: expected {wanted}, found {found}"


def test_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(BundleError) as caught:
        decode(Outer, VALID | {"flag": "x" * 10_000}, where="doc")

    assert len(str(caught.value)) < 200


def test_class_with_its_own_json_form_is_asked_for_it() -> None:
    spec = TensorSpec("x", (None, 2), np.dtype("float32"))

    assert encode({"spec": spec}) == {"spec": spec.to_json()}
    assert decode(TensorSpec, spec.to_json(), where="doc") == spec
