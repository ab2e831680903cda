"""Rows to learn from and rows held out, as a recipe says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spinn_edge.core.bundle import sha256_of
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.core.table import Table, read_table

Floats = npt.NDArray[np.float64]

_OTHERWISE = ", or leave the column out with --ignore"
"""Where columns are chosen to learn from; a model that has learned needs all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Samples in raw units.

    Attributes:
        features: float64, shape (rows, features).
        targets: float64, shape (rows, targets).
    """

    features: Floats
    targets: Floats

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What a recipe makes of a file.

    Attributes:
        train: rows to fit on.
        held_out: rows that choose the best epoch.
        dropped: rows left out for missing values.
        held_out_from: where the held-out rows come from, in words.
    """

    train: Rows
    held_out: Rows
    dropped: int
    held_out_from: str


def make_recipe(
    table: Table,
    *,
    targets: Sequence[str],
    features: Sequence[str] = (),
    ignore: Sequence[str] = (),
    group: str = "",
    validation: Path | None = None,
    held_out_fraction: float = 0.2,
    split_seed: int = 0,
    drop_na: bool = False,
) -> DataRecipe:
    """Name the columns to learn from and to predict.

    Without ``features``, every column is one but the targets, the group column (an identifier
    would let the network recognise a tool instead of reading its sensors) and those to ignore.

    Raises:
        UsageError: no targets, an unknown column, one named twice, a target that is also a feature.
    """
    if not targets:
        raise UsageError(f"name the columns to predict with --targets; {_columns(table)}")
    for name in (*targets, *features, *ignore, *([group] if group else [])):
        if name not in table.columns:
            raise UsageError(f"{table.path} has no column '{name}'; {_columns(table)}")
    if len(set(targets)) < len(targets) or len(set(features)) < len(features):
        raise UsageError("a column is named twice in --targets or --features; name it once")
    left_out = {*targets, *ignore, group}
    chosen = tuple(features) or tuple(name for name in table.columns if name not in left_out)
    if clash := set(chosen) & set(targets):
        raise UsageError(f"column '{min(clash)}' cannot be both feature and target")
    if not chosen:
        raise UsageError(f"{table.path} has no column left to learn from; {_columns(table)}")
    if not 0 < held_out_fraction < 1:
        raise UsageError(f"the held-out fraction must lie in (0, 1), got {held_out_fraction}")
    return DataRecipe(
        features=chosen,
        targets=tuple(targets),
        group=group,
        validation="" if validation is None else str(validation),
        validation_sha256="" if validation is None else _digest(validation),
        held_out_fraction=held_out_fraction,
        split_seed=split_seed,
        drop_na=drop_na,
    )


def with_validation(recipe: DataRecipe, validation: Path | None) -> DataRecipe:
    """Return the recipe with another validation file, or check that its own is still there.

    Raises:
        UsageError: the recorded file is gone or has changed; says what to type.
    """
    if validation is not None:
        return replace(recipe, validation=str(validation), validation_sha256=_digest(validation))
    if recipe.validation and _digest(Path(recipe.validation)) != recipe.validation_sha256:
        raise UsageError(
            f"the validation file {recipe.validation} has changed since training; "
            "name the one to use with --validation FILE"
        )
    return recipe


def load_split(path: Path, recipe: DataRecipe) -> Split:
    """Read a CSV file and split it as ``recipe`` says.

    Raises:
        UsageError: a column is missing or holds text, rows have missing values and the recipe does
            not drop them, or too few rows or groups are left to split.
    """
    table = read_table(path)
    rows, keep, dropped = _load(table, recipe, _OTHERWISE)
    if recipe.validation:
        held_out, _, dropped_too = _load(read_table(Path(recipe.validation)), recipe, _OTHERWISE)
        return Split(
            train=rows,
            held_out=held_out,
            dropped=dropped + dropped_too,
            held_out_from=f"{len(held_out)} rows of {recipe.validation}",
        )
    groups = table.text(recipe.group)[keep] if recipe.group else np.arange(len(rows)).astype(str)
    names = np.unique(groups)
    count = math.ceil(recipe.held_out_fraction * len(names))
    what = f"values of '{recipe.group}'" if recipe.group else "rows"
    if len(names) < 2 or count >= len(names):
        raise UsageError(f"{path} has {len(names)} {what}, too few to hold some out")
    chosen = np.random.default_rng(recipe.split_seed).choice(names, size=count, replace=False)
    held = np.isin(groups, chosen)
    return Split(
        train=Rows(features=rows.features[~held], targets=rows.targets[~held]),
        held_out=Rows(features=rows.features[held], targets=rows.targets[held]),
        dropped=dropped,
        held_out_from=f"{int(held.sum())} rows of {path.name}: {count} of {len(names)} {what}",
    )


def load_rows(path: Path, recipe: DataRecipe) -> Rows:
    """Read all rows of a CSV file.

    Raises:
        UsageError: as :func:`load_split`.
    """
    return _load(read_table(path), recipe)[0]


def _load(
    table: Table, recipe: DataRecipe, otherwise: str = ""
) -> tuple[Rows, npt.NDArray[np.bool_], int]:
    names = (*recipe.features, *recipe.targets)
    values = table.numbers(names, otherwise=otherwise)
    finite = np.isfinite(values)
    keep = np.asarray(finite.all(axis=1))
    missing = int((~keep).sum())
    if missing and not recipe.drop_na:
        row = int(np.argmin(keep))
        column = names[int(np.argmin(finite[row]))]
        raise UsageError(
            f"{table.path}: {missing} of {table.rows} rows hold missing or infinite values "
            f"(first: column '{column}' in data row {row + 1}); correct them, or leave them out "
            "(--drop-na, where a command takes it)"
        )
    if not keep.any():
        raise UsageError(f"{table.path}: every row holds missing values; nothing is left")
    count = len(recipe.features)
    rows = Rows(features=values[keep, :count], targets=values[keep, count:])
    return rows, keep, missing


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as exc:
        raise UsageError(
            f"the validation file {path} cannot be read ({exc}); name it with --validation FILE"
        ) from exc


def _columns(table: Table) -> str:
    return f"its columns are: {', '.join(table.columns)}"
