"""Golden vectors: which inputs, and what they should give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spinn_edge.accuracy.parity import derive_tolerance
from spinn_edge.core.errors import ExportError, UsageError
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import OutputTolerance
from spinn_edge.core.table import Table
from spinn_edge.core.tensors import Array, TensorSpec, describe
from spinn_edge.export.reference import Reference

NOISE = "standard normal noise"
"""How the source of golden inputs begins where no data was given."""

MOST_ROWS = 1024
MOST_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenInputs:
    """Samples to prove with.

    Attributes:
        arrays: by input name, in the model's own dtype, shape (rows, ...).
        source: where they came from, in words.
    """

    arrays: Mapping[str, Array]
    source: str


GoldenMaker = Callable[[tuple[TensorSpec, ...], int], GoldenInputs]
"""Makes golden inputs from the model's inputs and a largest number of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What the model computes on the golden inputs.

    Attributes:
        golden: inputs with float64 outputs.
        eager: float32 outputs of the eager form, by name.
        limits: tolerances derived from the two.
        source: where inputs and outputs came from, in words.
        reference: the evaluators that computed both.
    """

    golden: Golden
    eager: Mapping[str, Array]
    limits: Mapping[str, OutputTolerance]
    source: str
    reference: Reference


def golden_rows(inputs: Sequence[TensorSpec], max_batch: int) -> int:
    """Return how many samples to keep: up to the largest batch, bounded in number and bytes."""
    sample_bytes = sum(
        int(np.prod([size or 1 for size in spec.shape[1:]])) * spec.dtype.itemsize
        for spec in inputs
    )
    return max(1, min(max_batch, MOST_ROWS, MOST_BYTES // max(sample_bytes, 1)))


def random_inputs(inputs: Sequence[TensorSpec], rows: int, seed: int = 0) -> GoldenInputs:
    """Draw seeded standard normal samples: a stand-in where no data was given."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for spec in inputs:
        shape = (rows, *(size or 1 for size in spec.shape[1:]))
        arrays[spec.name] = generator.standard_normal(shape).astype(spec.dtype)
    return GoldenInputs(arrays=arrays, source=f"{NOISE}, seed {seed}: no data given")


def table_inputs(
    spec: TensorSpec, features: Array, rows: int, *, source: str, seed: int = 0
) -> GoldenInputs:
    """Draw seeded rows of a table, the rows with each column's extremes among them.

    Args:
        spec: the model's only input, shape (None, columns).
        features: float64, shape (any, columns), raw units.
        rows: most samples to take.
        source: what the table is, in words.
        seed: of the draw.
    """
    extremes = np.unique(np.concatenate([features.argmin(axis=0), features.argmax(axis=0)]))
    others = np.setdiff1d(np.arange(len(features)), extremes)
    drawn = np.random.default_rng(seed).permutation(others)
    index = np.concatenate([extremes, drawn])[:rows]
    return GoldenInputs(
        arrays={spec.name: features[index].astype(spec.dtype)},
        source=f"{len(index)} rows of {source}",
    )


def rows_as_golden(features: Array, source: str) -> GoldenMaker:
    """Return a maker of golden inputs from the rows of a table.

    Args:
        features: float64, shape (rows, columns), raw units, no missing values.
        source: what the table is, in words.
    """

    def make(inputs: tuple[TensorSpec, ...], rows: int) -> GoldenInputs:
        expected = inputs[0].shape
        if len(inputs) != 1 or expected != (expected[0], features.shape[1]):
            raise UsageError(
                f"{source} has {features.shape[1]} columns, but the model takes "
                f"{', '.join(map(describe, inputs))}; name its columns with --features"
            )
        return table_inputs(inputs[0], features, rows, source=source)

    return make


def table_as_golden(table: Table, columns: Sequence[str]) -> GoldenMaker:
    """Return a maker of golden inputs from columns of a table, rows with missing values left out.

    Raises:
        UsageError: a column is missing or holds text, or no row is complete.
    """
    values = table.numbers(columns)
    complete = values[np.isfinite(values).all(axis=1)]
    if len(complete) == 0:
        raise UsageError(f"{table.path}: every row has missing values in the model's columns")
    return rows_as_golden(complete, table.path.name)


def make_references(inputs: GoldenInputs, reference: Reference) -> References:
    """Run both evaluators on the golden inputs and derive tolerances.

    Raises:
        ExportError: the model fails on them, its outputs hold NaN or Inf, or their first axis is
            not the batch.
    """
    exact, eager = reference.exact(inputs.arrays), reference.eager(inputs.arrays)
    rows = len(next(iter(inputs.arrays.values())))
    for name, values in (*exact.items(), *eager.items()):
        if values.ndim == 0 or len(values) != rows:
            raise ExportError(
                f"output '{name}' has shape {list(values.shape)} for {rows} samples; "
                "its first axis must be the batch"
            )
        if not np.isfinite(values).all():
            raise ExportError(
                f"the model's output '{name}' holds NaN or Inf on the golden inputs "
                f"({inputs.source}); nothing can be proved with them, give others with --data CSV"
            )
    golden = Golden(
        inputs=inputs.arrays,
        outputs={name: np.asarray(values, np.float64) for name, values in exact.items()},
    )
    source = f"{inputs.source}; {reference.note}" if reference.note else inputs.source
    return References(
        golden=golden,
        eager=eager,
        limits=derive_tolerance(golden.outputs, eager, reference.shares),
        source=source,
        reference=reference,
    )
