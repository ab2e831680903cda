"""The documents, listed."""

from __future__ import annotations

from spinn_edge.report.schema.documents import DOCUMENTS
from spinn_edge.report.sheet import Sheet


def documents_sheet() -> Sheet:
    """Return a line for each document that has a schema."""
    return Sheet(
        title="Documents with a published schema",
        head=("document", ">version", "what"),
        lines=tuple((d.name, str(d.version), d.what.removesuffix(".")) for d in DOCUMENTS),
    )
