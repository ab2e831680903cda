"""Tables for a paper: LaTeX with booktabs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from spinn_edge.report.latex_text import cell
from spinn_edge.report.recommendations import recommendations, recorded_differences
from spinn_edge.report.sheet import Sheet
from spinn_edge.report.sources import NamedResult, ReportSources
from spinn_edge.report.tables.comparison import comparison_sheets
from spinn_edge.report.tables.fleet import fleet_sheets
from spinn_edge.report.tables.latencies import latency_sheets

_MOST_LINES = 40
"""Of one table; more do not fit a page."""

_WIDE = 24
"""Characters beyond which a column of texts is broken into lines."""

_LONGEST = 60
"""Characters of a cell; a longer one is cut."""

_HEADER = """% Tables of spinn-edge report. In the preamble: \\usepackage{booktabs}
% They fit a text width of 16 cm.
% Figures not shown here (mean, further percentiles, throughput): --csv or --markdown."""


def latex_tables(sources: ReportSources) -> str:
    r"""Return a ``table`` environment for each table, to be read in with ``\input``.

    Machines beside each other where there are several results; then, of each result, what is
    compared, recommendations as comments, and the latencies.

    Args:
        sources: the results.
    """
    several = len(sources.results) > 1
    blocks = [_HEADER]
    if several:
        for number, sheet in enumerate(fleet_sheets(sources.results), 1):
            blocks += _tables(sheet, f"fleet-{number}")
    for named in sources.results:
        blocks += _of_result(named, several)
    return "\n\n".join(blocks) + "\n"


def sheet_latex(sheet: Sheet, label: str) -> str:
    """Return one table of any length.

    Args:
        sheet: texts; all of them are escaped.
        label: letters, digits and hyphens.
    """
    heads = [cell(_cut(title.removeprefix(">"))) for title in sheet.head]
    wide = _wide_columns(sheet)
    columns = "".join(
        "r" if title[:1] == ">" else "p{.3\\linewidth}" if number in wide else "l"
        for number, title in enumerate(sheet.head)
    )
    caption = ". ".join(part for part in (sheet.title, sheet.caption) if part)
    lines = [
        " & ".join(
            (r"\raggedright " if number in wide else "") + cell(_cut(text))
            for number, text in enumerate(line)
        )
        + r" \\"
        for line in sheet.lines
    ]
    return "\n".join(
        [
            r"\begin{table}[htbp]",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\caption{{{cell(_cut(caption, 10 * _LONGEST))}.}}",
            rf"\label{{tab:{label}}}",
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            rf"{' & '.join(heads)} \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _wide_columns(sheet: Sheet) -> set[int]:
    r"""Return the columns of texts that are broken into lines; never the last one.

    In the last one ``\raggedright`` would take the end of the row for its own.
    """
    return {
        number
        for number, title in enumerate(sheet.head[:-1])
        if title[:1] != ">" and any(len(line[number]) > _WIDE for line in sheet.lines)
    }


def _of_result(named: NamedResult, several: bool) -> Iterator[str]:
    where = f", {named.machine}"
    start = f"{_label(named.name)}-" if several else ""
    result = named.result
    for number, sheet in enumerate(comparison_sheets(result), 1):
        yield from _tables(_titled(sheet, where), f"{start}comparison-{number}")
    if len(result.bundles) > 1:
        words = recommendations(result, recorded_differences(named.raw))
        # a comment: a sentence belongs into the text, where its author puts it
        yield "\n".join(f"% {cell(_cut(text, 20 * _LONGEST))}" for text in words)
    for number, sheet in enumerate(latency_sheets(result, brief=True), 1):
        yield from _tables(_titled(sheet, where), f"{start}latency-{number}")


def _tables(sheet: Sheet, label: str) -> Iterator[str]:
    """Return a table, or several where one page cannot hold it."""
    for start in range(0, max(len(sheet.lines), 1), _MOST_LINES):
        part = replace(sheet, lines=sheet.lines[start : start + _MOST_LINES])
        if start == 0:
            yield sheet_latex(part, label)
        else:
            more = replace(part, title=f"{sheet.title}, continued")
            yield sheet_latex(more, f"{label}-{start // _MOST_LINES + 1}")


def _titled(sheet: Sheet, where: str) -> Sheet:
    return replace(sheet, title=f"{_cut(sheet.title, 3 * _LONGEST)}{where}")


def _label(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)[:_LONGEST].strip("-") or "result"


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
