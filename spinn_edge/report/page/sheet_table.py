"""A sheet as an HTML table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from spinn_edge.report.page.markup import Html, join, tag
from spinn_edge.report.sheet import Sheet

LONGEST_CELL = 600
"""Characters of a cell that are shown; a foreign name or reason may be endless."""


def sheet_table(sheet: Sheet) -> Html:
    """Return title, table and caption; it scrolls inside its own box where it is too wide."""
    head = tag("tr", *(_head_cell(title) for title in sheet.head))
    body = (tag("tr", *_cells(line, sheet.head)) for line in sheet.lines)
    note = tag("p", f"{sheet.caption}.", class_="note") if sheet.caption else Html("")
    return join([table(sheet.title, head, body), note])


def short_table(sheet: Sheet) -> Html:
    """Return :func:`sheet_table` with cells that a page can hold; its raw data have them whole."""
    lines = tuple(tuple(map(cell_text, line)) for line in sheet.lines)
    return sheet_table(replace(sheet, lines=lines))


def table(
    title: str, head: str, body: Iterable[str], *, even: bool = False, **attributes: str
) -> Html:
    """Return a table inside a box that scrolls, which the keyboard can reach.

    Args:
        title: its caption, and the name of its box.
        head: a line of head cells.
        body: lines.
        even: whether all lines are of one height; a browser then lays the table out when it comes
            near, and knows before how tall it is.
        attributes: of the table.
    """
    lines = list(body)
    inner = tag(
        "table",
        tag("caption", title),
        tag("thead", head),
        tag("tbody", *lines),
        **attributes,
    )
    return tag(
        "div",
        inner,
        class_="scroll even" if even else "scroll",
        style=f"--lines:{len(lines)}" if even else None,
        tabindex=0,
        role="region",
        aria_label=title,
    )


def cell_text(text: str, most: int = LONGEST_CELL) -> str:
    """Return a text that a cell can hold; of one that is cut it says how long it was."""
    return text if len(text) <= most else f"{text[: most - 100]}… ({len(text):,} characters)"


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
