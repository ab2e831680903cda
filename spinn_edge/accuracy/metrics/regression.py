"""Scores of predictions against measured targets, one per output column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spinn_edge.core.manifest import Scores
from spinn_edge.core.tensors import Array


def r2_score(target: Array, predicted: Array) -> Array:
    """Return the coefficient of determination of each column.

    Args:
        target: measured values, shape (rows, columns).
        predicted: predictions, same shape.

    Returns:
        float64, shape (columns,). A constant target gives 0 where it is hit exactly and minus
        infinity where it is not, since there is no variance to explain. Constant means equal in
        every row: the rounded mean of equal numbers may differ from them.

    Source: 1 - SS_res / SS_tot, with SS_tot about the mean of ``target``; as in scikit-learn's
    ``r2_score(multioutput="raw_values", force_finite=False)`` but for the exact constant case.
    """
    target, predicted = np.asarray(target, np.float64), np.asarray(predicted, np.float64)
    residual = ((target - predicted) ** 2).sum(axis=0)
    total = ((target - target.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = 1.0 - residual / total
    constant = _constant(target)
    return np.where(constant, np.where(residual > 0, -np.inf, 0.0), score)


def rmse(target: Array, predicted: Array) -> Array:
    """Return the root mean squared error of each column, in target units; float64, (columns,)."""
    difference = np.asarray(target, np.float64) - np.asarray(predicted, np.float64)
    return np.asarray(np.sqrt((difference**2).mean(axis=0)))


def linear_regression(features: Array, target: Array) -> Array:
    """Fit ordinary least squares with an intercept.

    Args:
        features: shape (rows, inputs); columns may be constant or repeat each other.
        target: shape (rows, outputs).

    Returns:
        Coefficients, shape (inputs + 1, outputs), the intercept last: the least-norm solution.
    """
    solution, *_ = np.linalg.lstsq(_with_intercept(features), target, rcond=None)
    return solution


def predict_linear(coefficients: Array, features: Array) -> Array:
    """Apply what :func:`linear_regression` returned; shape (rows, outputs)."""
    return np.asarray(_with_intercept(features) @ coefficients)


def score_predictions(
    names: Sequence[str], target: Array, predicted: Array, linear: Array, *, source: str
) -> Scores:
    """Collect the scores of a network and of the linear regression beside it.

    Args:
        names: target names, one a column.
        target: measured values, shape (rows, columns), target units.
        predicted: the network's predictions, same shape.
        linear: the linear regression's predictions, same shape.
        source: which rows these are, in words.
    """
    r2 = _defined(r2_score(target, predicted), target)
    known = [score for score in r2 if score is not None]
    return Scores(
        source=source,
        rows=len(target),
        r2=dict(zip(names, r2, strict=True)),
        r2_overall=sum(known) / len(known) if len(known) == len(r2) else None,
        rmse=dict(zip(names, rmse(target, predicted).tolist(), strict=True)),
        linear_r2=dict(zip(names, _defined(r2_score(target, linear), target), strict=True)),
    )


def _defined(scores: Array, target: Array) -> list[float | None]:
    constant = _constant(target).tolist()
    return [None if flat else float(score) for score, flat in zip(scores, constant, strict=True)]


def _constant(target: Array) -> Array:
    # not by a variance of 0: the rounded mean of equal numbers may differ from them
    return np.asarray((target == target[:1]).all(axis=0))


def _with_intercept(features: Array) -> Array:
    return np.hstack([features, np.ones((len(features), 1))])
