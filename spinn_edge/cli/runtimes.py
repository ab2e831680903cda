"""``spinn-edge runtimes``."""

from __future__ import annotations

from spinn_edge.cli import options as o


def runtimes(json: o.Json = None) -> None:
    """List every runtime: available or not, why not, and what to type."""
    from spinn_edge.cli.output import Printer
    from spinn_edge.report.console import runtimes_table
    from spinn_edge.report.json_document import runtimes_document, to_text
    from spinn_edge.report.remarks import install_remarks
    from spinn_edge.report.runtime_status import runtime_statuses

    printer = Printer(json)
    statuses = runtime_statuses()
    printer.show(runtimes_table(statuses), *install_remarks(statuses))
    printer.write(to_text(runtimes_document(statuses)), json)
