"""The look of every table on a screen: no number is ever broken, however narrow the screen is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.style import StyleType
from rich.table import Table
from rich.text import Text

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that would command a terminal, and halves of surrogate pairs, which none can show."""

_FIGURES = re.compile(r"[\d.,:%×+\-–/]+")
"""A word of a text that is broken no more than a number, such as ``18-288-288-2``."""

_UNBROKEN, _NARROWEST = 10**9, 12
"""Columns that a word of a text gets before it is broken: all it needs, or, where there is no room
for that, a few."""

_PADDINGS = ((0, 1, 0, 1), (0, 1, 0, 0), (0, 0, 0, 0))
"""Between columns, the most beautiful first; a line without ink is there as well."""


class ScreenTable(Table):
    """A table that breaks texts, never numbers; too narrow for that, it lists cell by cell."""

    def add_row(
        self,
        *cells: RenderableType | None,
        style: StyleType | None = None,
        end_section: bool = False,
    ) -> None:
        """Add a line; control characters in it are shown, not obeyed."""
        shown = (harmless(cell) if isinstance(cell, str) else cell for cell in cells)
        super().add_row(*shown, style=style, end_section=end_section)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as wide as the screen allows."""
        texts = [
            [_text(console, cell) for cell in [column.header, *column.cells]]
            for column in self.columns
        ]
        natural = [max(map(_longest_line, column)) for column in texts]
        for longest, padding in itertools.product((_UNBROKEN, _NARROWEST), _PADDINGS):
            self.padding = padding
            least = [
                _least(column, longest, number=shape.justify == "right")
                for column, shape in zip(texts, self.columns, strict=True)
            ]
            room = options.max_width - self._extra_width - _padding_of(self)
            if (widths := _shared_out(natural, least, room)) is not None:
                cells = [column._cells for column in self.columns]
                for column, width, most in zip(self.columns, widths, natural, strict=True):
                    column.width = width
                    if width < most and column.justify == "right":
                        column._cells = [*map(_interval_below, column._cells)]
                yield from super().__rich_console__(console, options)
                for column, kept in zip(self.columns, cells, strict=True):
                    column.width, column._cells = None, kept
                self.padding = _PADDINGS[0]
                return
        self.padding = _PADDINGS[0]
        yield from self._listed(texts)

    def _listed(self, texts: Sequence[Sequence[Text]]) -> Iterator[RenderableType]:
        """Yield each line as a list of heads and cells; what is empty is left out."""
        if self.title:
            yield Text.from_markup(str(self.title), style="bold")
        heads = [column[0] for column in texts]
        for number in range(1, self.row_count + 1):
            grid = Table.grid(padding=(0, 2, 0, 0))
            grid.add_column(overflow="fold")
            grid.add_column(overflow="fold")
            first, *others = [column[number] for column in texts]
            for head, cell in zip(heads[1:], others, strict=True):
                if cell.plain:
                    grid.add_row(head, cell)
            yield Text.assemble(heads[0], " " if heads[0].plain else "", first, style="bold")
            yield Padding(grid, (0, 0, 0, 2))
        if self.caption:
            yield Text.from_markup(str(self.caption), style="italic")


def harmless(text: str) -> str:
    """Return a text that every terminal can show and none obeys; line ends stay."""
    return _CONTROL.sub("\ufffd", text)


def screen_table(title: str, *columns: str) -> ScreenTable:
    """Return an empty table; long texts are folded, none is cut off.

    Args:
        title: above it, in rich's markup; empty for none.
        columns: their heads; one that begins with ``>`` holds numbers and is set to the right.
    """
    table = ScreenTable(
        title=harmless(title) or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        caption_justify="left",
        pad_edge=False,
    )
    for column in columns:
        table.add_column(
            column.removeprefix(">"),
            justify="right" if column[:1] == ">" else "left",
            overflow="fold",
        )
    return table


def _text(console: Console, cell: RenderableType) -> Text:
    return console.render_str(cell, highlight=False) if isinstance(cell, str) else Text(str(cell))


def _longest_line(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")), default=0)


def _least(column: Sequence[Text], longest: int, *, number: bool) -> int:
    """Return how narrow a column may become, words beyond ``longest`` being broken."""
    cells = column[1:]
    words = (word for text in column for word in text.plain.split())
    widths: Iterable[int] = (
        cell_len(word) if _FIGURES.fullmatch(word) else min(cell_len(word), longest)
        for word in words
    )
    least = max(widths, default=1)
    if not number or not cells:
        return least
    return max(least, *(_longest_line(Text(_below(text.plain))) for text in cells))


def _interval_below(cell: RenderableType) -> RenderableType:
    return _below(cell) if isinstance(cell, str) else cell


def _below(text: str) -> str:
    """Put what stands in brackets behind a number below it."""
    return text.replace(" (", "\n(")


def _padding_of(table: Table) -> int:
    """Return how many columns of the screen stand between the columns of a table."""
    _, right, _, left = table.padding
    count = len(table.columns)
    return (right + left) * (count - 1)


def _shared_out(natural: Sequence[int], least: Sequence[int], room: int) -> list[int] | None:
    """Return widths that fit, the widest column giving way first; None where none do."""
    if sum(least) > room:
        return None
    widths = list(natural)
    while sum(widths) > room:
        slack = [width if width > low else 0 for width, low in zip(widths, least, strict=True)]
        widths[slack.index(max(slack))] -= 1
    return widths
