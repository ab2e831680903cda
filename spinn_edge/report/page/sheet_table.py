"""A sheet as an HTML table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spinn_edge.report.page.markup import Html, join, tag
from spinn_edge.report.sheet import Sheet


def sheet_table(sheet: Sheet) -> Html:
    """Return title, table and caption; it scrolls inside its own box where it is too wide."""
    head = tag("tr", *(_head_cell(title) for title in sheet.head))
    body = (tag("tr", *_cells(line, sheet.head)) for line in sheet.lines)
    note = tag("p", f"{sheet.caption}.", class_="note") if sheet.caption else Html("")
    return join([table(sheet.title, head, body), note])


def table(title: str, head: str, body: Iterable[str], **attributes: str) -> Html:
    """Return a table inside a box that scrolls, which the keyboard can reach.

    Args:
        title: its caption, and the name of its box.
        head: a line of head cells.
        body: lines.
        attributes: of the table.
    """
    inner = tag(
        "table",
        tag("caption", title),
        tag("thead", head),
        tag("tbody", *body),
        **attributes,
    )
    return tag("div", inner, class_="scroll", tabindex=0, role="region", aria_label=title)


def _head_cell(title: str) -> Html:
    number = title[:1] == ">"
    return tag("th", title.removeprefix(">"), scope="col", class_="number" if number else None)


def _cells(line: Sequence[str], head: Sequence[str]) -> list[Html]:
    cells = []
    for position, (text, title) in enumerate(zip(line, head, strict=True)):
        number = "number" if title[:1] == ">" else None
        name, scope = ("th", "row") if position == 0 and number is None else ("td", None)
        cells.append(tag(name, text, class_=number, scope=scope))
    return cells
