"""Training speed in LaTeX: bare rows, and the speed columns of a table that is there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from spinn_edge.bench.training.result import EPOCHS, TrainingResult, TrainingRow, speedup
from spinn_edge.core.errors import UsageError
from spinn_edge.report.latex_table import (
    Cell,
    LatexRow,
    find_tables,
    outside_comments,
    plain,
    shown,
    words_in,
)
from spinn_edge.report.latex_text import escape

RATE, TIME, SPEEDUP = "it/s", "time", "speed-up"
QUANTITIES = (RATE, TIME, SPEEDUP)
_UNITS_S = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_UNIT = re.compile(r"[\[(]\s*(?:\\(?:text|mathrm|si|unit)\{)?(ms|s|min|h)\}?\s*[\])]")
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_KEPT = re.compile(
    # bold and maths around a number, and what may stand behind it
    rf"^(?P<before>(?:\\(?:textbf|mathbf|num|emph)\{{|\$|\\bfseries\s+|\s)*)"
    rf"(?P<value>{_NUMBER})"
    rf"(?P<middle>\s*\$?\\pm\$?\s*)?(?(middle)(?P<std>{_NUMBER}))"
    r"(?P<after>(?:\\times|×|\}|\$|\s)*)$"
)
_WAYS = {"autograd": "eager", "func": "eager torch.func", "compiled": "compiled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    value: float
    std: float | None = None


def booktabs_rows(result: TrainingResult) -> str:
    """Return a row for each subject and way, without a table around them.

    Columns: subject, step, it/s (mean ± standard deviation over seeds), seconds for 1000 epochs,
    speed-up over eager autograd. A row without figures has dashes and its reason in a comment.
    """
    lines = [
        f"% subject & step & it/s (mean over seeds) & {EPOCHS} epochs [s] & speed-up \\\\",
    ]
    for row in result.rows:
        names = [escape(row.subject.name), escape(_WAYS[row.way])]
        figures = [_standard(_figure(result, row, quantity), quantity) for quantity in QUANTITIES]
        reason = " ".join(row.reason.split())
        lines.append(" & ".join([*names, *figures]) + r" \\" + (f" % {reason}" if reason else ""))
    return "\n".join(lines) + "\n"


def rewrite_speed(tex: str, result: TrainingResult, headers: Mapping[str, str], where: str) -> str:
    r"""Return a document with new figures in the speed columns of its table, all else as it was.

    A row is found by its first cell, a column by words in its head. Heads and rows may name the
    step, ``eager`` or ``compiled``; without a name it is the compiled one. A time is in the unit
    of its head, ``[ms]``, ``[s]``, ``[min]`` or ``[h]``, and in seconds without one. Bold, ``$``
    and ``\times`` around a number stay.

    Args:
        tex: the document.
        result: what was measured.
        headers: words of a head by quantity, see ``QUANTITIES``; those left out are looked for
            under their own name and may be missing.
        where: name of the document.

    Raises:
        UsageError: no table, no row of a subject, no such column, or a row that comes twice; says
            which there are.
    """
    tables = find_tables(tex)
    if not tables:
        raise UsageError(f"{where} has no tabular environment; expected a table to rewrite")
    subjects = {plain(row.subject.name): row.subject.name for row in result.rows}
    edits: dict[Cell, str] = {}
    found: set[str] = set()
    seen: list[str] = []
    for rows in tables:
        body = _body(rows, subjects)
        seen += [row.label for row in rows if row.label]
        if not body:
            continue
        heads = _heads(rows[: rows.index(body[0][0])])
        columns = _columns(heads, headers, where)
        places: set[tuple[str, str]] = set()
        for row, name in body:
            found.add(name)
            for column, quantity in columns.items():
                cell = row.at(column)
                if cell is None:
                    continue
                way = _way_of(heads.get(column, ""), row)
                if (place := (f"{name} {way}", str(column))) in places:
                    raise UsageError(
                        f"{where} has two rows of '{name}' for the same step; name the step in "
                        "each, eager or compiled"
                    )
                places.add(place)
                measured = _measured(result, name, way, where)
                edits[cell] = _new_text(
                    cell.text, _figure(result, measured, quantity), quantity, heads.get(column, "")
                )
    if missing := sorted(set(subjects.values()) - found):
        there = ", ".join(dict.fromkeys(seen)) or "none"
        raise UsageError(f"{where} has no row of '{missing[0]}'; its rows are: {there}")
    return _edited(tex, edits)


def _body(rows: list[LatexRow], subjects: Mapping[str, str]) -> list[tuple[LatexRow, str]]:
    """Return the rows of subjects; one whose first cell is empty belongs to the row above."""
    body: list[tuple[LatexRow, str]] = []
    last = ""
    for row in rows:
        last = plain(row.label) if row.label else last
        if last in subjects:
            body.append((row, subjects[last]))
    return body


def _heads(rows: list[LatexRow]) -> dict[int, str]:
    """Join the cells above each column, from the top down."""
    heads: dict[int, str] = {}
    for row in rows:
        for cell in row.cells:
            for column in range(cell.column, cell.column + cell.span):
                heads[column] = f"{heads.get(column, '')} {cell.text.strip()}".strip()
    return heads


def _columns(heads: Mapping[int, str], headers: Mapping[str, str], where: str) -> dict[int, str]:
    chosen: dict[int, str] = {}
    for quantity in QUANTITIES:
        words = headers.get(quantity, quantity)
        hits = [column for column, head in heads.items() if column and words_in(words, head)]
        if quantity in headers and not hits:
            raise UsageError(
                f"{where} has no column headed '{headers[quantity]}'; its heads are: "
                f"{_listed(heads)}"
            )
        for column in hits:
            chosen.setdefault(column, quantity)
    if not chosen:
        raise UsageError(
            f"{where} has no column headed {', '.join(QUANTITIES)}; its heads are: "
            f"{_listed(heads)}; name "
            'them with --latex-columns "it/s=HEAD,time=HEAD,speed-up=HEAD"'
        )
    return chosen


def _listed(heads: Mapping[int, str]) -> str:
    return " | ".join(shown(head) or "(empty)" for head in heads.values())


def _way_of(head: str, row: LatexRow) -> str:
    words = f"{plain(head)} {' '.join(plain(cell.text) for cell in row.cells[1:])}"
    if "torchfunc" in words:
        return "func"
    if "compile" in words:
        return "compiled"
    return "autograd" if "eager" in words or "autograd" in words else "compiled"


def _measured(result: TrainingResult, name: str, way: str, where: str) -> TrainingRow:
    row = result.row(name, way)
    if row is None:
        known = ", ".join(r.way for r in result.rows if r.subject.name == name)
        raise UsageError(
            f"{where} has a column or row of '{name}' for the step '{way}', which was not "
            f"measured; measured: {known}"
        )
    return row


def _figure(result: TrainingResult, row: TrainingRow, quantity: str) -> _Figure | None:
    if row.status != "ok":
        return None
    if quantity == RATE:
        assert row.mean_over_seeds is not None
        return _Figure(value=row.mean_over_seeds, std=row.std_over_seeds)
    if quantity == TIME:
        assert row.estimate_s is not None
        return _Figure(value=row.estimate_s)
    baseline = result.row(row.subject.name, "autograd")
    found = None if baseline is None else speedup(row, baseline)
    return None if found is None else _Figure(value=found.ratio)


def _new_text(old: str, figure: _Figure | None, quantity: str, head: str) -> str:
    """Return a cell with its figure replaced, and its spaces as they were."""
    unit = _UNIT.search(head)
    if figure is not None and quantity == TIME and unit:
        figure = _Figure(value=figure.value / _UNITS_S[unit[1]])
    start, end = outside_comments(old)
    inner = old[start:end]
    kept = _KEPT.match(inner)
    if kept is None or figure is None:
        new = _standard(figure, quantity)
    else:
        new = kept["before"] + _number(figure.value, quantity)
        if kept["std"] and figure.std is not None:
            new += kept["middle"] + f"{figure.std:.2g}"
        new += kept["after"]
    return old[:start] + new + old[end:]


def _standard(figure: _Figure | None, quantity: str) -> str:
    if figure is None:
        return "--"
    text = _number(figure.value, quantity)
    if quantity == SPEEDUP:
        return rf"${text}\times$"
    return text if figure.std is None else rf"${text} \pm {figure.std:.2g}$"


def _number(value: float, quantity: str) -> str:
    if quantity == SPEEDUP:
        return f"{value:.2f}"
    return f"{value:.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def _edited(tex: str, edits: Mapping[Cell, str]) -> str:
    for cell in sorted(edits, key=lambda cell: cell.start, reverse=True):
        tex = tex[: cell.start] + edits[cell] + tex[cell.end :]
    return tex
