"""``spinn-edge schema``."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    document: Annotated[
        str | None,
        typer.Argument(
            metavar="[DOCUMENT]", help="Such as results or manifest; without it, lists them."
        ),
    ] = None,
) -> None:
    """Print the JSON Schema of a document that commands write, or list the documents."""
    from spinn_edge.cli.output import Printer
    from spinn_edge.report.json_document import to_text
    from spinn_edge.report.schema.documents import document_named
    from spinn_edge.report.schema.listing import documents_sheet

    if document is None:
        Printer().show(
            documents_sheet().to_rich(), "for a schema: spinn-edge schema DOCUMENT > FILE"
        )
        return
    schema_text = to_text(document_named(document).to_schema())
    Printer("-").write(schema_text, "-")
