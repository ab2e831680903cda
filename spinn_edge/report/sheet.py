"""A table of texts, for a screen and for Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from spinn_edge.report.markdown_text import cell
from spinn_edge.report.screen_table import screen_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Texts in lines and columns.

    Attributes:
        title: above it.
        head: of each column; one that begins with ``>`` holds numbers and is set to the right.
        lines: as many texts as ``head`` has, each.
        caption: below it; empty for none.
    """

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    caption: str = ""

    def to_rich(self) -> Table:
        """Return it for the screen; long texts are folded, none is cut off."""
        table = screen_table(escape(self.title), *map(escape, self.head))
        table.caption = escape(self.caption) or None
        for line in self.lines:
            table.add_row(*map(escape, line))
        return table

    def to_markdown(self) -> str:
        """Return title, table and caption, with an empty line behind each."""
        lines = [f"{cell(self.title)}:", "", self.markdown_table()]
        lines += ["", f"{cell(self.caption)}.", ""] if self.caption else [""]
        return "\n".join(lines)

    def markdown_table(self) -> str:
        """Return the bare table, without an end of line behind it."""
        head = " | ".join(cell(title.removeprefix(">")) for title in self.head)
        rule = " | ".join("---:" if title[:1] == ">" else "---" for title in self.head)
        lines = [f"| {' | '.join(map(cell, line))} |" for line in self.lines]
        return "\n".join([f"| {head} |", f"| {rule} |", *lines])
