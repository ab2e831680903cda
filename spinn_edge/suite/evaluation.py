"""What a model in memory computes, in this process: whether it works, and how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from spinn_edge.accuracy.metrics.regression import score_predictions
from spinn_edge.core.errors import ExportError, UsageError
from spinn_edge.core.manifest import Scores
from spinn_edge.core.tensors import Array
from spinn_edge.export.golden import GoldenMaker
from spinn_edge.export.reference import module_reference
from spinn_edge.models.loading import LoadedModel
from spinn_edge.suite.sample_rows import read_sample, sample_alone, sample_and_draws, specs_of


def choose_golden(loaded: LoadedModel, sample: Mapping[str, Array], rows: int) -> GoldenMaker:
    """Return a maker of golden inputs that the model can be proved with.

    Rows drawn between the sample's values are better than the sample alone, unless the model fails
    on them: it may take some values only.

    Args:
        loaded: the model.
        sample: by input name, shape (batch, ...).
        rows: most that will be asked for.

    Raises:
        UsageError: the model fails on the sample itself, or gives NaN or Inf.
    """
    fault = _fault(loaded, sample)
    if fault:
        raise UsageError(f"'{loaded.origin}' cannot be timed: {fault} for sample_input")
    drawn = sample_and_draws(sample)
    if not _fault(loaded, drawn(specs_of(sample), rows).arrays):
        return drawn
    return sample_alone(sample)


def score_on(loaded: LoadedModel, validation: Any) -> Scores:
    """Return R² and RMSE of the eager form on rows that were kept back.

    Args:
        loaded: the model.
        validation: inputs, in any form that ``sample_input`` can have, and targets of shape
            (rows, columns) or (rows,).

    Raises:
        UsageError: it is no such pair, or the two do not fit each other or the model.
    """
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise UsageError("validation: expected a pair, (inputs, targets)")
    inputs = read_sample(validation[0], loaded.module, what="validation inputs")
    target = _read_targets(validation[1])
    try:
        outputs = _run(loaded, inputs)
    except ExportError as exc:
        raise UsageError(f"validation: {exc}") from exc
    if len(outputs) != 1:
        raise UsageError(
            f"validation scores one output, and '{loaded.origin}' has {len(outputs)}; leave it out"
        )
    (predicted,) = outputs.values()
    shape = list(predicted.shape)
    if target.ndim == 1 and predicted.shape == (len(target), 1):
        target = target[:, None]
    if target.shape != predicted.shape:
        raise UsageError(
            f"validation: targets of shape {list(target.shape)}, but '{loaded.origin}' gives "
            f"{shape}; expected (rows, columns) of both"
        )
    if not np.isfinite(predicted).all():
        raise UsageError(f"validation: '{loaded.origin}' gives NaN or Inf for some of the rows")
    target, predicted = target.reshape(len(target), -1), predicted.reshape(len(predicted), -1)
    names = [f"target {index}" for index in range(target.shape[1])]
    scores = score_predictions(
        names, target, predicted, predicted, source=f"{len(target)} rows of validation"
    )
    # a linear regression would need the rows that the model was trained on
    return replace(scores, linear_r2=dict.fromkeys(names))


def _read_targets(targets: Any) -> Array:
    try:
        held = targets.detach().cpu() if hasattr(targets, "detach") else targets
        array = np.asarray(held, np.float64)
    except (TypeError, ValueError, RuntimeError) as exc:
        raise UsageError(
            f"validation targets are a {type(targets).__name__}, expected a tensor or array of "
            "shape (rows, columns)"
        ) from exc
    if array.ndim not in (1, 2) or array.size == 0 or not np.isfinite(array).all():
        raise UsageError(
            f"validation targets of shape {list(array.shape)}: expected (rows, columns), with at "
            "least one row, and neither NaN nor Inf"
        )
    return array


def _run(loaded: LoadedModel, inputs: Mapping[str, Array]) -> dict[str, Array]:
    assert loaded.module is not None
    return module_reference(loaded.module).eager(inputs)


def _fault(loaded: LoadedModel, inputs: Mapping[str, Array]) -> str:
    """Return what is wrong with the model's outputs; empty where nothing is."""
    try:
        outputs = _run(loaded, inputs)
    except ExportError as exc:
        return str(exc).partition("; is --input-shape")[0]
    broken = [name for name, values in outputs.items() if not np.isfinite(values).all()]
    return f"its output '{broken[0]}' holds NaN or Inf" if broken else ""
