"""Plain JSON to frozen dataclasses and back, checked by their type hints."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin

from spinn_edge.core.errors import BundleError

T = TypeVar("T")


def encode(value: Any) -> Any:
    """Return ``value`` as JSON types; dataclasses become objects, tuples become lists."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(cls: type[T], data: Any, *, where: str) -> T:
    """Build a ``cls`` from JSON types.

    Args:
        cls: a dataclass.
        data: what ``json.load`` returned.
        where: name of the document, for messages.

    Returns:
        A new ``cls``; keys that it does not know are ignored, so that a newer writer's
        additions within one schema version do not stop an older reader.

    Raises:
        BundleError: a key is missing or has another type; the message holds its path.
    """
    return typing.cast(T, _decode(cls, data, where))


def _decode(hint: Any, data: Any, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return data
    if origin in (Union, types.UnionType):
        if data is None and type(None) in args:
            return None
        (inner,) = [arg for arg in args if arg is not type(None)]
        return _decode(inner, data, where)
    if origin is tuple:
        _expect(isinstance(data, list), where, "a list", data)
        return tuple(_decode(args[0], item, f"{where}[{i}]") for i, item in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        _expect(isinstance(data, dict), where, "an object", data)
        return {key: _decode(args[1], item, f"{where}.{key}") for key, item in data.items()}
    if dataclasses.is_dataclass(hint):
        return _decode_dataclass(hint, data, where)
    if hint is float:
        _expect(isinstance(data, int | float) and not isinstance(data, bool), where, "float", data)
        return float(data)
    _expect(
        isinstance(data, hint) and (hint is bool or not isinstance(data, bool)),
        where,
        hint.__name__,
        data,
    )
    return data


def _decode_dataclass(cls: Any, data: Any, where: str) -> Any:
    _expect(isinstance(data, dict), where, "an object", data)
    if hasattr(cls, "from_json"):
        return cls.from_json(data)
    hints = typing.get_type_hints(cls)
    values = {}
    for field in dataclasses.fields(cls):
        if field.name in data:
            values[field.name] = _decode(
                hints[field.name], data[field.name], f"{where}.{field.name}"
            )
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise BundleError(f"{where}: key '{field.name}' is missing")
    return cls(**values)


def _expect(holds: bool, where: str, wanted: str, got: Any) -> None:
    if not holds:
        raise BundleError(f"{where}: expected {wanted}, found {type(got).__name__} {got!r:.60}")
