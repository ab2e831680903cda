"""What a file of lower precision costs of the task: its score on targets beside eager's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.accuracy.metrics.regression import r2_score
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import ExportError, UsageError
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import PRECISIONS, DataRecipe
from spinn_edge.core.table import read_table
from spinn_edge.core.tensors import Array, TensorSpec, describe
from spinn_edge.export.reference import Evaluate
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, Runtime, infer
from spinn_edge.training.dataset import load_rows

MOST_LOSS = 0.01
"""R² that a file of lower precision may lose of each target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRows:
    """Rows whose targets were measured.

    Attributes:
        features: float64, shape (rows, features), raw units.
        targets: float64, shape (rows, targets).
        names: of the targets.
        source: which rows these are, in words.
        required: a model that these do not fit is an error; else it is not scored.
    """

    features: Array
    targets: Array
    names: tuple[str, ...]
    source: str
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """Scored rows as the model takes them, and how well eager does on them.

    Attributes:
        inputs: by input name.
        output: name of the output that predicts the targets.
        targets: float64, shape (rows, targets); constant ones, which have no R², are left out.
        columns: channels of the output that these belong to.
        names: of the targets.
        eager_r2: R² of eager float32, shape (targets,).
        source: which rows these are, in words.
    """

    inputs: Mapping[str, Array]
    output: str
    targets: Array
    columns: tuple[int, ...]
    names: tuple[str, ...]
    eager_r2: Array
    source: str

    def losses(self, outputs: Mapping[str, Array]) -> dict[str, float]:
        """Return the R² that outputs lose of eager's, by target; infinite for NaN and Inf."""
        chosen = outputs[self.output][:, list(self.columns)]
        if not np.isfinite(chosen).all():
            return dict.fromkeys(self.names, float("inf"))
        lost = self.eager_r2 - r2_score(self.targets, chosen)
        return dict(zip(self.names, lost.tolist(), strict=True))

    def fault(self, losses: Mapping[str, float]) -> str | None:
        """Say which target lost more than ``MOST_LOSS``; None where none did."""
        name = max(losses, key=lambda target: losses[target])
        if losses[name] <= MOST_LOSS:
            return None
        return (
            f"target '{name}' loses {losses[name]:.4f} of its R² on {self.source}, "
            f"allowed {MOST_LOSS:g}"
        )


def read_scored_rows(path: Path, recipe: DataRecipe, *, required: bool) -> ScoredRows | None:
    """Read the columns that a model learnt from; rows with missing values are left out.

    Args:
        path: CSV file.
        recipe: names the columns.
        required: a file without the target columns is an error; else there are no scored rows.

    Raises:
        UsageError: a column is missing or holds text, or no row is complete.
    """
    if not required and not set(recipe.targets) <= set(read_table(path).columns):
        return None
    rows = load_rows(path, replace(recipe, drop_na=True))
    return ScoredRows(
        features=rows.features,
        targets=rows.targets,
        names=recipe.targets,
        source=f"{len(rows)} rows of {path.name}",
        required=required,
    )


def make_task_score(
    rows: ScoredRows | None, inputs: tuple[TensorSpec, ...], eager: Evaluate
) -> TaskScore | None:
    """Score eager float32; None without rows, or where every target is constant.

    The first output with as many channels as there are targets is the one that predicts them.

    Raises:
        UsageError: the rows are required and their columns do not fit the model.
    """
    if rows is None:
        return None
    shape = inputs[0].shape
    wanted = rows.targets.shape
    outputs: dict[str, Array] = {}
    if len(inputs) == 1 and shape == (shape[0], rows.features.shape[1]) and shape[0] is None:
        feeds = {inputs[0].name: rows.features.astype(inputs[0].dtype)}
        outputs = eager(feeds)
    output = next((name for name, values in outputs.items() if values.shape == wanted), None)
    if output is None:
        if not rows.required:
            return None
        raise UsageError(
            f"{rows.source} have {rows.features.shape[1]} feature and {wanted[1]} target columns, "
            f"but the model takes {', '.join(map(describe, inputs))}"
            + "".join(f" and gives {name} {list(a.shape[1:])}" for name, a in outputs.items())
        )
    predicted = outputs[output]
    varying = np.flatnonzero((rows.targets != rows.targets[:1]).any(axis=0))
    if len(varying) == 0:
        return None
    targets = rows.targets[:, varying]
    return TaskScore(
        inputs=feeds,
        output=output,
        targets=targets,
        columns=tuple(varying.tolist()),
        names=tuple(rows.names[column] for column in varying),
        eager_r2=r2_score(targets, predicted[:, varying]),
        source=rows.source,
    )


def outputs_on(runtime: Runtime, inputs: Mapping[str, Array], batch: int) -> dict[str, Array]:
    """Run all samples in calls of ``batch``; the last call begins anew at the first sample.

    Raises:
        InferenceError: the runtime refused or failed.
    """
    samples = Golden(inputs=inputs, outputs={})
    calls = [
        infer(runtime, samples.at_batch(batch, start=start).inputs)
        for start in range(0, samples.rows, batch)
    ]
    return {
        name: np.concatenate([call[name] for call in calls])[: samples.rows] for name in calls[0]
    }


def task_details(
    bundle: Bundle, runtime: str, precision: str, score: TaskScore | None
) -> dict[str, Any]:
    """Refuse a file of lower precision that loses too much of the task.

    Args:
        bundle: the bundle being written.
        runtime: name of the runtime that runs the file.
        precision: which of the bundle's files.
        score: None where no rows with targets were given.

    Returns:
        What ``FileEntry.details`` says of it: ``task_score``, whose ``rows`` are None where there
        were none and parity alone was checked; nothing for the first precision.

    Raises:
        ExportError: a target loses more than ``MOST_LOSS``.
        InferenceError: the runtime refused or failed.
    """
    if precision == PRECISIONS[0]:
        return {}
    if score is None:
        return {"task_score": {"rows": None, "r2_loss": {}, "limit": MOST_LOSS}}
    opened = registry.open_backend(
        runtime, bundle, OpenOptions(precision=precision, trust_engine_code=True)
    )
    try:
        most = opened.facts.max_batch or bundle.manifest.max_batch
        losses = score.losses(outputs_on(opened, score.inputs, most))
    finally:
        opened.close()
    if (fault := score.fault(losses)) is not None:
        raise ExportError(f"{runtime} in {precision} was exported but {fault}; nothing was written")
    return {"task_score": {"rows": score.source, "r2_loss": losses, "limit": MOST_LOSS}}
