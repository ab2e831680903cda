"""Several results as one Markdown document: the fleet first, then machine by machine."""

from __future__ import annotations

from spinn_edge.report.markdown import results_markdown
from spinn_edge.report.markdown_text import cell
from spinn_edge.report.sources import ReportSources
from spinn_edge.report.tables.fleet import fleet_sheets


def sources_markdown(sources: ReportSources) -> str:
    """Return the tables of every result, never averaged over machines."""
    notes = "".join(f"- {cell(note)}\n" for note in sources.notes)
    notes = f"\nBeside the results:\n\n{notes}" if notes else ""
    if len(sources.results) == 1:
        return results_markdown(sources.results[0].result) + notes
    parts = ["# Fleet", "", *(sheet.to_markdown() for sheet in fleet_sheets(sources.results))]
    for named in sources.results:
        parts += [f"# {cell(named.name)}: {cell(named.machine)}", ""]
        parts.append(results_markdown(named.result).removeprefix("# Results\n\n"))
    return "\n".join(parts) + notes
