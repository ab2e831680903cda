"""Numeric tables from CSV files, with errors that name the column and the line."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spinn_edge.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns of text as they stood in the file; numbers are made on request.

    Attributes:
        path: where it was read from.
        columns: by name, in file order; every list has ``rows`` entries.
    """

    path: Path
    columns: Mapping[str, Sequence[str]]

    @property
    def rows(self) -> int:
        """Number of data rows."""
        return len(next(iter(self.columns.values())))

    def text(self, name: str) -> npt.NDArray[np.str_]:
        """Return a column as text, shape (rows,).

        Raises:
            UsageError: no such column.
        """
        self._check(name)
        return np.asarray(self.columns[name], dtype=np.str_)

    def numbers(self, names: Sequence[str], *, otherwise: str = "") -> npt.NDArray[np.float64]:
        """Return columns as float64, shape (rows, len(names)); empty cells become NaN.

        Args:
            names: of the columns.
            otherwise: what else than to correct a text helps, the end of a message.

        Raises:
            UsageError: no such column, or a cell that is no number (named with its line).
        """
        for name in names:
            self._check(name)
        return np.stack([self._numbers(name, otherwise) for name in names], axis=1)

    def _numbers(self, name: str, otherwise: str) -> npt.NDArray[np.float64]:
        cells = [cell or "nan" for cell in self.columns[name]]
        try:
            return np.array(cells, dtype=np.float64)
        except ValueError:
            row = next(i for i, cell in enumerate(cells) if not _is_number(cell))
            raise UsageError(
                f"{self.path}: column '{name}' holds text, '{cells[row]}' in data row {row + 1}, "
                f"expected a number; correct it{otherwise}"
            ) from None

    def _check(self, name: str) -> None:
        if name not in self.columns:
            raise UsageError(
                f"{self.path} has no column '{name}'; its columns are: {', '.join(self.columns)}"
            )


def read_table(path: Path) -> Table:
    """Read a CSV file with a header line.

    Raises:
        UsageError: no such file, no header, no rows, a name twice, or a row of another length.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = [[cell.strip() for cell in row] for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise UsageError(f"{path} cannot be read as CSV: {exc}") from exc
    if not lines:
        raise UsageError(f"{path} is empty; expected a header line and rows of numbers")
    header, *rows = lines
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise UsageError(f"{path} has column '{twice[0]}' more than once; rename one of them")
    if not rows:
        raise UsageError(f"{path} has a header but no rows")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise UsageError(
                f"{path}: data row {number} has {len(row)} cells, the header {len(header)}"
            )
    return Table(path=path, columns=dict(zip(header, zip(*rows, strict=True), strict=True)))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
