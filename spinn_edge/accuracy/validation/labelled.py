"""Samples with their targets, from a CSV or NPZ file, a DataLoader, or arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from spinn_edge.accuracy.metrics.faults import bad_samples
from spinn_edge.accuracy.validation.torch_module import as_arrays
from spinn_edge.core.errors import UsageError, first_line
from spinn_edge.core.table import read_table
from spinn_edge.core.tensors import Array
from spinn_edge.training.dataset import load_rows, make_recipe

SHAPES = (
    "a CSV or NPZ file, a DataLoader or another iterable of (inputs, targets), "
    "or a pair (inputs, targets) of arrays"
)
_NPZ = (
    "expected arrays input/NAME and target/NAME, as numpy.savez(path, **{'input/x': x, "
    "'target/y': y}) writes them"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledData:
    """Samples and what the model should say of them.

    Attributes:
        inputs: by input name, shape (samples, ...).
        targets: by output name, shape (samples, ...).
        named_inputs: the names are the user's; else only the order counts.
        named_targets: likewise.
        columns: names of the target's channels, where a table has them.
        source: where it came from, in words.
    """

    inputs: Mapping[str, Array]
    targets: Mapping[str, Array]
    named_inputs: bool = False
    named_targets: bool = False
    columns: tuple[str, ...] = ()
    source: str = "arrays"

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(next(iter(self.inputs.values())))

    @property
    def from_table(self) -> bool:
        """Numbers of a table have no dtype of their own."""
        return bool(self.columns)

    def __post_init__(self) -> None:
        """Refuse what cannot be scored.

        Raises:
            UsageError: nothing, unequal numbers of samples, NaN or Inf.
        """
        if not self.inputs or not self.targets:
            raise UsageError(f"{self.source}: no inputs or no targets; expected {SHAPES}")
        kinds = (("input", self.inputs), ("target", self.targets))
        for kind, arrays in kinds:
            for name, array in arrays.items():
                _check(f"{self.source}: {kind} '{name}'", array, self.samples)


def load_labelled(
    loader: Any, *, features: Sequence[str] = (), targets: Sequence[str] = (), drop_na: bool = False
) -> LabelledData:
    """Read samples and targets, all of them, into memory.

    Args:
        loader: path of a CSV file, path of an ``.npz`` with arrays ``input/NAME`` and
            ``target/NAME``, a pair ``(inputs, targets)`` as a tuple of two, or another iterable of
            batches, such as a DataLoader: ``(inputs, targets)`` or ``(input, input, targets)``.
            Inputs and targets are an array or tensor, a sequence of them, or a mapping by name.
        features: columns of a CSV file that the model takes.
        targets: columns that its output predicts, one a channel.
        drop_na: leave rows of a CSV file out that hold missing values.

    Raises:
        UsageError: none of these, no samples, missing columns, NaN or Inf; says where.
    """
    if isinstance(loader, LabelledData):
        return loader
    if isinstance(loader, str | Path):
        path = Path(loader)
        if path.suffix.lower() == ".npz":
            return _from_npz(path)
        return _from_csv(path, features, targets, drop_na=drop_na)
    if isinstance(loader, tuple) and len(loader) == 2:
        return _from_pair(*loader)
    if isinstance(loader, Iterable) and not isinstance(loader, np.ndarray | Mapping):
        return _from_batches(loader)
    raise UsageError(
        f"a {type(loader).__name__} cannot be read as labelled data; expected {SHAPES}"
    )


def _from_csv(
    path: Path, features: Sequence[str], targets: Sequence[str], *, drop_na: bool
) -> LabelledData:
    if not features or not targets:
        raise UsageError(
            f"{path}: which columns are features and which are targets is not known; no bundle "
            "that was trained on a table says so, so name them: features=..., targets=... "
            "(--features, --targets)"
        )
    recipe = make_recipe(read_table(path), targets=targets, features=features, drop_na=drop_na)
    rows = load_rows(path, recipe)
    return LabelledData(
        inputs={"features": rows.features},
        targets={"targets": rows.targets},
        columns=tuple(targets),
        source=f"{len(rows)} rows of {path.name}",
    )


def _from_npz(path: Path) -> LabelledData:
    try:
        with path.open("rb") as stream, NpzFile(stream, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as exc:
        raise UsageError(f"{path} cannot be read as NPZ ({exc}); {_NPZ}") from exc
    inputs, targets = _under("input/", arrays), _under("target/", arrays)
    if not inputs or not targets:
        missing = "target/NAME" if inputs else "input/NAME"
        raise UsageError(f"{path} has no array {missing}, only {sorted(arrays)}; {_NPZ}")
    return LabelledData(
        inputs=inputs,
        targets=targets,
        named_inputs=True,
        named_targets=True,
        source=f"{path.name}",
    )


def _from_pair(inputs: Any, targets: Any) -> LabelledData:
    return LabelledData(
        inputs=name_arrays(inputs, "input"),
        targets=name_arrays(targets, "target"),
        named_inputs=isinstance(inputs, Mapping),
        named_targets=isinstance(targets, Mapping),
    )


def _from_batches(loader: Iterable[Any]) -> LabelledData:
    inputs: list[dict[str, Array]] = []
    targets: list[dict[str, Array]] = []
    named = (False, False)
    for number, batch in enumerate(loader):
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise UsageError(
                f"batch {number} of the loader is a {type(batch).__name__}, expected a pair "
                "(inputs, targets)"
            )
        first = batch[0] if len(batch) == 2 else tuple(batch[:-1])
        inputs.append(name_arrays(first, "input"))
        targets.append(name_arrays(batch[-1], "target"))
        named = (isinstance(first, Mapping), isinstance(batch[-1], Mapping))
    if not inputs:
        raise UsageError("the loader gives no batches; expected at least one (inputs, targets)")
    return LabelledData(
        inputs=_joined(inputs),
        targets=_joined(targets),
        named_inputs=named[0],
        named_targets=named[1],
        source=f"{len(inputs)} batches of a {type(loader).__name__}",
    )


def _joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    try:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    except (KeyError, ValueError) as exc:
        raise UsageError(f"the loader's batches do not fit together: {first_line(exc)}") from exc


def name_arrays(values: Any, kind: str) -> dict[str, Array]:
    """Return an array, several of them in a row, or a mapping, as arrays by name."""
    if isinstance(values, Mapping):
        return dict(as_arrays(values))
    if isinstance(values, tuple | list) and values and all(hasattr(v, "shape") for v in values):
        return {f"{kind}_{i}": value for i, value in enumerate(as_arrays(values))}
    return {kind: np.asarray(as_arrays(values))}


def _check(what: str, array: Array, samples: int) -> None:
    if array.ndim == 0 or array.size == 0:
        raise UsageError(f"{what} is empty, shape {list(array.shape)}; expected at least 1 sample")
    if len(array) != samples:
        raise UsageError(f"{what} has {len(array)} samples, the first input {samples}")
    if array.dtype.kind not in "biuf":
        raise UsageError(f"{what} is {array.dtype}, expected numbers")
    bad = bad_samples(array)
    if bad.any():
        raise UsageError(
            f"{what} holds NaN or Inf in {int(bad.sum())} of {samples} samples, first in sample "
            f"{int(np.argmax(bad))}; leave them out"
        )


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    found = {key: array for key, array in arrays.items() if key.startswith(prefix)}
    return {key.removeprefix(prefix): array for key, array in found.items()}
