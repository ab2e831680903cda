r"""Rows and cells of LaTeX tables, each with its place in the text.

No more of LaTeX is understood than a table needs: ``&`` and ``\\`` outside braces, comments,
``\multicolumn`` and ``\multirow``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_NAMES = r"tabular|tabular\*|tabularx|tabulary|longtable|tabularray|tblr"
_BEGIN = re.compile(rf"\\begin\{{({_NAMES})\}}")
_SPAN = re.compile(r"\\multicolumn\s*\{\s*(\d+)\s*\}")
_WRAPPED = re.compile(
    r"\\multi(?:column|row)\s*(?:\[[^]]*\])?\s*\{[^}]*\}\s*(?:\[[^]]*\])?\{[^}]*\}"
)
_RULE = re.compile(
    r"\\(?:top|mid|bottom|h)(?:rule|line)\b|\\(?:cmidrule|cline)(?:\([^)]*\))?\{[^}]*\}"
    r"|\\addlinespace(?:\[[^]]*\])?|\\(?:row|cell)color(?:\[[^]]*\])?\{[^}]*\}"
)
_ROW_SPACE = re.compile(r"\\\\\*?(?:\s*\[[^]]*\])?")
_COMMENT = re.compile(r"(?<!\\)%[^\n]*\n?")
_LETTERS = re.compile(r"[^0-9a-zα-ω]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What stands between two separators.

    Attributes:
        start: place of its first character in the document.
        end: place behind its last.
        text: the characters.
        column: its first column, from 0.
        span: columns that it covers.
    """

    start: int
    end: int
    text: str
    column: int
    span: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LatexRow:
    r"""Cells up to a ``\\``."""

    cells: tuple[Cell, ...]

    @property
    def label(self) -> str:
        """The first cell without rules, comments and what spans rows or columns."""
        return shown(self.cells[0].text)

    def at(self, column: int) -> Cell | None:
        """Return the cell that is one column alone; None where none is or a wider one covers it."""
        return next((c for c in self.cells if c.column == column and c.span == 1), None)


def find_tables(tex: str) -> list[list[LatexRow]]:
    """Return the rows of every table, in order; what is commented out is none."""
    tables = []
    for begin in _BEGIN.finditer(tex):
        line = tex[tex.rfind("\n", 0, begin.start()) + 1 : begin.start()]
        end = tex.find(rf"\end{{{begin[1]}}}", begin.end())
        if _COMMENT.search(line) or end < 0:
            continue
        tables.append(list(_rows(tex, _behind_arguments(tex, begin.end(), end), end)))
    return tables


def shown(text: str) -> str:
    """Return a cell's words as they stand there, without rules, comments and spans."""
    bare = _WRAPPED.sub("", _RULE.sub("", _COMMENT.sub("", text)))
    return " ".join(bare.split()).strip("{} ")


def plain(text: str) -> str:
    r"""Return what two spellings of one name share: ``\textbf{Allen--Cahn}`` is ``allencahn``."""
    bare = re.sub(r"\\textendash|\\[a-zA-Z]+\*?", "", shown(text))
    return _LETTERS.sub("", bare.lower())


def outside_comments(text: str) -> tuple[int, int]:
    """Return where a cell's content starts and ends: no comment, and no space around it."""
    starts = [0, *(comment.end() for comment in _COMMENT.finditer(text))]
    ends = [*(comment.start() for comment in _COMMENT.finditer(text)), len(text)]
    for start, end in zip(starts, ends, strict=True):
        part = text[start:end]
        if part.strip():
            return end - len(part.lstrip()), start + len(part.rstrip())
    middle = starts[-1] + (ends[-1] - starts[-1]) // 2
    return middle, middle


def words_in(words: str, text: str) -> bool:
    """Tell whether a text holds some words, however they are set: ``Speed up`` is ``speed-up``."""
    tokens = [token for part in shown(text).split() if (token := plain(part))]
    wanted = plain(words)
    return any(
        "".join(tokens[first:last]) == wanted
        for first in range(len(tokens))
        for last in range(first + 1, len(tokens) + 1)
    )


def _behind_arguments(tex: str, start: int, end: int) -> int:
    r"""Return the place behind ``[t]{\linewidth}{@{}l*{3}{r}@{}}``."""
    place = start
    while place < end and tex[place] in "[{":
        depth = 0
        while place < end:
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(tex[place], 0)
            place += 1
            if depth == 0:
                break
    return place


def _rows(tex: str, start: int, end: int) -> Iterator[LatexRow]:
    cells: list[Cell] = []
    column = 0
    for first, last, ends_row in _pieces(tex, start, end):
        text = tex[first:last]
        span = int(found[1]) if (found := _SPAN.search(text)) else 1
        cells.append(Cell(start=first, end=last, text=text, column=column, span=span))
        column += span
        if ends_row:
            yield LatexRow(cells=tuple(cells))
            cells, column = [], 0
    if len(cells) > 1:  # the last row may do without its end
        yield LatexRow(cells=tuple(cells))


def _pieces(tex: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Yield the stretches between separators outside braces, and whether each ends a row."""
    depth, first, place = 0, start, start
    while place < end:
        character = tex[place]
        if character == "\\":
            if tex[place : place + 2] == "\\\\" and depth == 0:
                yield first, place, True
                space = _ROW_SPACE.match(tex, place)
                first = place = space.end() if space else place + 2
            else:
                place += 2
            continue
        if character == "%":
            newline = tex.find("\n", place, end)
            place = end if newline < 0 else newline + 1
            continue
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "&" and depth == 0:
            yield first, place, False
            first = place + 1
        place += 1
    yield first, end, False
