"""Rows as they come: lines of a CSV file, a file that grows, a pipe, or arrays from Python."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import Array
from spinn_edge.training.dataset import Floats

Pairs = Iterable[tuple[Array, Array]]
"""Features and targets of one row, or of some rows each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows that are tested, then learnt together.

    Attributes:
        features: float64, shape (rows, features).
        targets: float64, shape (rows, targets).
        numbers: of the rows in their stream, counted from 1.
        fault: why they cannot be read; None where they can.
    """

    features: Floats
    targets: Floats
    numbers: tuple[int, ...]
    fault: str | None = None


@dataclass(slots=True)
class LeftOut:
    """Counts rows that were not looked at."""

    rows: int = 0


def lines_of(path: Path) -> Iterator[str]:
    """Read a file line by line.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            yield from stream
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} cannot be read as CSV: {exc}") from exc


def growing_lines(path: Path, wait: Callable[[], None]) -> Iterator[str]:
    """Read a file line by line and wait for more at its end, for ever.

    Args:
        path: a CSV file that is appended to.
        wait: called where there is nothing new; what it raises ends the stream.

    Raises:
        UsageError: it cannot be read.
    """
    begun = ""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            while True:
                begun += stream.readline()
                if begun.endswith("\n"):
                    yield begun
                    begun = ""
                else:  # the writer is not through with this line
                    wait()
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} cannot be read as CSV: {exc}") from exc


def csv_batches(
    lines: Iterable[str],
    *,
    features: Sequence[str],
    targets: Sequence[str],
    size: int,
    source: str,
    drop_na: bool = False,
    left_out: LeftOut | None = None,
) -> Iterator[Batch]:
    """Turn CSV lines into batches as soon as they are full.

    A row that cannot be read spoils its batch, which says so; the stream goes on.

    Args:
        lines: a header and rows; columns that are not asked for are passed over.
        features: columns in the network's order.
        targets: likewise.
        size: rows of a batch; the last one may have fewer.
        source: what is read, for messages.
        drop_na: leave out rows with missing values.
        left_out: counts them.

    Raises:
        UsageError: there is no header, or a column is missing from it.
    """
    rows = _cells(lines, source)
    header = [cell.strip().removeprefix("\ufeff") for cell in next(rows, [])]
    if not header:
        raise UsageError(f"{source} is empty; expected a header line and rows of numbers")
    names = (*features, *targets)
    for name in names:
        if header.count(name) != 1:
            lack = "has no column" if name not in header else "has more than one column"
            raise UsageError(f"{source} {lack} '{name}'; its columns are: {', '.join(header)}")
    places = [header.index(name) for name in names]
    count = len(features)
    held: list[list[float]] = []
    numbers: list[int] = []
    fault: str | None = None

    def full() -> Batch:
        values = np.array(held, np.float64).reshape(len(held), len(names))
        return Batch(
            features=values[:, :count],
            targets=values[:, count:],
            numbers=tuple(numbers),
            fault=fault,
        )

    for number, row in enumerate(rows, start=1):
        values, problem = _numbers(row, header, places, number)
        fault = fault or problem
        if problem is None and drop_na and not all(map(math.isfinite, values)):
            if left_out is not None:
                left_out.rows += 1
            continue
        held.append(values)
        numbers.append(number)
        if len(held) == size:
            yield full()
            held, numbers, fault = [], [], None
    if held:
        yield full()


def pair_batches(pairs: Pairs, *, features: int, targets: int, size: int) -> Iterator[Batch]:
    """Turn rows and blocks of rows from Python into batches of one size.

    A block whose shape does not fit becomes a batch of its own, for the guards to name.

    Args:
        pairs: arrays of shape (features,) and (targets,), or (rows, features) and (rows, targets).
        features: columns of the network.
        targets: likewise.
        size: rows of a batch; the last one, and one before a misfit, may have fewer.
    """
    held_x, held_y = np.empty((0, features)), np.empty((0, targets))
    number = 1

    def cut(rows: int) -> Batch:
        nonlocal held_x, held_y, number
        batch = Batch(
            features=held_x[:rows],
            targets=held_y[:rows],
            numbers=tuple(range(number, number + rows)),
        )
        held_x, held_y, number = held_x[rows:], held_y[rows:], number + rows
        return batch

    for given_x, given_y in pairs:
        x, y = (np.atleast_2d(np.asarray(part, np.float64)) for part in (given_x, given_y))
        if x.shape != (len(y), features) or y.shape[1:] != (targets,):
            if len(held_x):
                yield cut(len(held_x))
            yield Batch(features=x, targets=y, numbers=tuple(range(number, number + len(x))))
            number += len(x)
            continue
        held_x, held_y = np.concatenate([held_x, x]), np.concatenate([held_y, y])
        while len(held_x) >= size:
            yield cut(size)
    if len(held_x):
        yield cut(len(held_x))


def _cells(lines: Iterable[str], source: str) -> Iterator[list[str]]:
    try:
        yield from (row for row in csv.reader(lines) if row)
    except (OSError, UnicodeDecodeError, csv.Error) as exc:  # a pipe decodes while it is read
        raise UsageError(f"{source} cannot be read as CSV: {exc}") from exc


def _numbers(
    row: Sequence[str], header: Sequence[str], places: Sequence[int], number: int
) -> tuple[list[float], str | None]:
    """Return the wanted cells as numbers, NaN for what is none, and what is wrong with the row."""
    nothing = [math.nan] * len(places)
    if len(row) != len(header):
        return nothing, f"row {number} has {len(row)} cells, the header {len(header)}"
    values = []
    for place in places:
        cell = row[place].strip() or "nan"
        try:
            values.append(float(cell))
        except ValueError:
            return nothing, (
                f"column '{header[place]}' holds text, '{cell}', in row {number}; a number was "
                "expected"
            )
    return values, None
