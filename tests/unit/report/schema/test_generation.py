from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import pytest

from spinn_edge.bench.measurement import Row
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.report.schema.attributes import attributes, summary
from spinn_edge.report.schema.generation import Definitions
from spinn_edge.report.schema.published import BY_HAND, DERIVED
from tests.unit.report.results import row


@dataclass(frozen=True)
class Inner:
    """An inner thing.

    Attributes:
        low: the lower end, which goes on
            in a second line; None without one.
        high, most: two at once, as :attr:`Outer.inner` has them.

    Source: nowhere.
    """

    low: float | None
    high: int
    most: int = 0


@dataclass(frozen=True)
class Outer:
    """An outer thing."""

    inner: Inner
    again: Inner | None = None
    named: Mapping[str, tuple[Inner, ...]] = field(default_factory=dict)
    anything: Any = None


def test_fields_become_properties_and_those_without_default_are_required():
    definitions = Definitions()
    schema = definitions.of_dataclass(Outer)
    assert schema["required"] == ["inner"]
    assert schema["properties"] == {
        "inner": {"$ref": "#/$defs/Inner"},
        "again": {"anyOf": [{"$ref": "#/$defs/Inner"}, {"type": "null"}]},
        "named": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"$ref": "#/$defs/Inner"}},
        },
        "anything": {},
    }
    assert schema["description"] == "An outer thing."
    assert definitions.to_json() == {
        "Inner": {
            "type": "object",
            "properties": {
                "low": {
                    "type": ["number", "null"],
                    "description": "The lower end, which goes on in a second line; null without "
                    "one.",
                },
                "high": {"type": "integer", "description": "Two at once, as Outer.inner has them."},
                "most": {"type": "integer", "description": "Two at once, as Outer.inner has them."},
            },
            "required": ["low", "high"],
            "description": "An inner thing.",
        }
    }


def test_hints_by_key_and_fixed_lists_are_schemas_too():
    definitions = Definitions()
    assert definitions.of_hint([{"a": int, "b": tuple[str, float]}]) == {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "a": {"type": "integer"},
                "b": {
                    "type": "array",
                    "prefixItems": [{"type": "string"}, {"type": "number"}],
                    "minItems": 2,
                    "maxItems": 2,
                },
            },
            "required": ["a", "b"],
        },
    }


def test_two_classes_of_one_name_do_not_share_a_definition():
    definitions = Definitions()
    other: type = dataclass(frozen=True)(type("Inner", (), {"__annotations__": {"x": int}}))
    assert definitions.of_hint(Inner) != definitions.of_hint(other)
    assert len(definitions.to_json()) == 2


def test_a_type_that_json_has_not_is_refused():
    with pytest.raises(TypeError, match="written as JSON"):
        Definitions().of_hint(complex)


def test_docstrings_are_read_in_parts():
    assert summary(Inner) == "An inner thing."
    assert set(attributes(Inner)) == {"low", "high", "most"}
    assert attributes(Outer) == {}


def test_what_a_row_writes_is_what_its_schema_names():
    written = {*(f.name for f in fields(Row)), *DERIVED[Row]}
    assert set(row("dense", 1e-4).to_json()) == written


def test_what_is_written_by_hand_has_the_keys_of_the_document():
    import numpy as np

    spec = TensorSpec("x", (None, 3), np.dtype("float32"))
    assert set(spec.to_json()) == set(BY_HAND[TensorSpec]["properties"])
