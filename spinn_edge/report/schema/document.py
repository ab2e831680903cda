"""One published document and its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spinn_edge.report.schema.generation import Definitions

DRAFT = "https://json-schema.org/draft/2020-12/schema"

RULE = (
    "Within one version keys are only added, never taken away, renamed or given another type or "
    "unit; ignore keys that you do not know. What was not measured is null or empty. NaN and Inf "
    "never stand in a document. Times are seconds, sizes bytes."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document that a command writes.

    Attributes:
        name: what ``spinn-edge schema`` is asked for.
        what: it is, in words.
        version: of its schema.
        of: the dataclass whose fields it holds; None where all keys are in ``more``.
        more: further keys, as :meth:`Definitions.of_hint` takes them.
        stated: it says its version under ``schema_version``.
        required: keys of ``more`` that are always there.
    """

    name: str
    what: str
    version: int = 1
    of: type | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    stated: bool = False
    required: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Name that no other schema and no other version has."""
        return f"urn:spinn-edge:schema:{self.name}:{self.version}"

    def to_schema(self) -> dict[str, Any]:
        """Return the JSON Schema, draft 2020-12."""
        definitions = Definitions()
        body: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
        if self.of is not None:
            body = definitions.of_dataclass(self.of)
        properties = dict(body["properties"])
        for name, hint in self.more.items():
            properties[name] = definitions.of_hint(hint)
        required = [*body["required"], *self.required]
        if self.stated:
            properties["schema_version"] = {
                "const": self.version,
                "description": "Version of the schema.",
            }
            required = ["schema_version", *(name for name in required if name != "schema_version")]
        return {
            "$schema": DRAFT,
            "$id": self.id,
            "title": f"spinn-edge {self.name}, version {self.version}",
            "description": f"{self.what} {RULE}",
            "type": "object",
            "properties": properties,
            "required": required,
            "$defs": definitions.to_json(),
        }
