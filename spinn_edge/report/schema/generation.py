"""Type hints to JSON Schema.

Source: JSON Schema, draft 2020-12, "A Media Type for Describing JSON Documents" and
"A Vocabulary for Structural Validation of JSON".
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Union, get_args, get_origin

from spinn_edge.report.schema.attributes import attributes, summary
from spinn_edge.report.schema.published import BY_HAND, DERIVED

_ROLE = re.compile(r":\w+:`~?([^`]+)`")
"""How our docstrings point at other code."""

_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


class Definitions:
    """Schemas of dataclasses, each once, to be referred to."""

    def __init__(self) -> None:
        self._names: dict[type, str] = {}
        self._schemas: dict[str, dict[str, Any]] = {}

    def to_json(self) -> dict[str, Any]:
        """Return them by name, sorted."""
        return {name: self._schemas[name] for name in sorted(self._schemas)}

    def of_hint(self, hint: Any) -> dict[str, Any]:
        """Return the schema of a type hint, as :func:`spinn_edge.core.decode.encode` writes it.

        Args:
            hint: a type hint; or hints by key, for an object with all these keys; or a list of
                one of these, for a list.

        Raises:
            TypeError: JSON has no such type.
        """
        origin, args = get_origin(hint), get_args(hint)
        if isinstance(hint, Mapping):
            properties = {name: self.of_hint(item) for name, item in hint.items()}
            return {"type": "object", "properties": properties, "required": list(hint)}
        if isinstance(hint, list):
            return {"type": "array", "items": self.of_hint(hint[0])}
        if hint in (Any, object):
            return {}
        if hint in _PLAIN:
            return {"type": _PLAIN[hint]}
        if origin in (Union, types.UnionType):
            return _any_of([self.of_hint(arg) for arg in args])
        if origin in (tuple, list):
            return self._of_tuple(args)
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.of_hint(args[1])}
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return {"$ref": f"#/$defs/{self._name(hint)}"}
        raise TypeError(f"{hint!r}: expected a type that is written as JSON")

    def of_dataclass(self, cls: type) -> dict[str, Any]:
        """Return an object with the fields of a dataclass and what is written beside them.

        Required is what a reader of this version requires: fields without a default.
        """
        if cls in BY_HAND:
            return dict(BY_HAND[cls])
        hints, words = typing.get_type_hints(cls), attributes(cls)
        properties = {
            field.name: _described(self.of_hint(hints[field.name]), words.get(field.name, ""))
            for field in dataclasses.fields(cls)
        }
        for name in DERIVED.get(cls, ()):
            derived = getattr(cls, name)
            getter = derived.func if isinstance(derived, cached_property) else derived.fget
            hint = typing.get_type_hints(getter)["return"]
            properties[name] = _described(self.of_hint(hint), summary(getter))
        required = [
            field.name
            for field in dataclasses.fields(cls)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        schema = {"type": "object", "properties": properties, "required": required}
        return _described(schema, summary(cls))

    def _name(self, cls: type) -> str:
        """Return the name of a definition, making it when it is asked for first."""
        if cls not in self._names:
            name = cls.__name__
            if name in self._schemas:
                name = f"{cls.__module__.rpartition('.')[2]}.{name}"
            self._names[cls] = name
            self._schemas[name] = {}  # taken, before what it refers to is named
            self._schemas[name] = self.of_dataclass(cls)
        return self._names[cls]

    def _of_tuple(self, args: tuple[Any, ...]) -> dict[str, Any]:
        if len(args) == 1 or args[1:] == (...,):
            return {"type": "array", "items": self.of_hint(args[0])}
        each = [self.of_hint(arg) for arg in args]
        return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}


def _any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    plain = [schema["type"] for schema in schemas if set(schema) == {"type"}]
    return {"type": plain} if len(plain) == len(schemas) else {"anyOf": schemas}


def _described(schema: dict[str, Any], words: str) -> dict[str, Any]:
    words = _ROLE.sub(r"\1", re.sub(r"\bNone\b", "null", words))
    return {**schema, "description": words[:1].upper() + words[1:]} if words else schema
