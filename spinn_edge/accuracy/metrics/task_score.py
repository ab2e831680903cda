"""What a task is scored by, and how much of it an optimized model loses."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spinn_edge.accuracy.metrics import similarity
from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import Array

ScoreFunction = Callable[[Array, Array], "float | Array"]
"""Takes targets as the user gave them and predictions as the model returned them, both of shape
(samples, ...); gives one number, or one for each channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A score of predictions.

    Attributes:
        name: in messages and tables.
        function: see :data:`ScoreFunction`.
        larger_is_better: False for an error.
        relative: the loss is a share of the baseline's score, not a difference.
        by_channel: targets must have the shape of the output.
    """

    name: str
    function: ScoreFunction
    larger_is_better: bool = True
    relative: bool = False
    by_channel: bool = False

    def loss(self, baseline: float, optimized: float) -> float:
        """Return how much worse the optimized model scores; negative where it is better.

        A share of a baseline of 0 is infinite where anything is lost.
        """
        lost = baseline - optimized if self.larger_is_better else optimized - baseline
        if not self.relative:
            return lost
        if baseline == 0:
            return math.inf if lost > 0 else 0.0
        return lost / abs(baseline)


R2 = Score(name="R²", function=similarity.r2, by_channel=True)
RMSE = Score(
    name="RMSE",
    function=similarity.root_mean_squared_error,
    larger_is_better=False,
    relative=True,
    by_channel=True,
)
SCORES = {"r2": R2, "rmse": RMSE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChange:
    """One score of both models.

    Attributes:
        channel: name of the channel; empty for a score of the whole output.
        baseline: its score.
        optimized: likewise.
        loss: see :meth:`Score.loss`.
        limit: what may be lost.
    """

    channel: str
    baseline: float
    optimized: float
    loss: float
    limit: float

    @property
    def passed(self) -> bool:
        """True within the limit; NaN never is."""
        return self.loss <= self.limit


def find_score(score: str | Score | ScoreFunction) -> Score:
    """Return a score by its name, or make one of a function whose larger values are better.

    Raises:
        UsageError: an unknown name.
    """
    if isinstance(score, Score):
        return score
    if isinstance(score, str):
        if score not in SCORES:
            raise UsageError(f"unknown score '{score}'; known: {', '.join(SCORES)}, or a function")
        return SCORES[score]
    return Score(name=getattr(score, "__name__", "score"), function=score)


def score_values(score: Score, target: Array, predicted: Array, channels: int) -> list[float]:
    """Return one number, or one a channel.

    Args:
        score: what to compute.
        target: shape (samples, ...).
        predicted: shape (samples, channels, ...).
        channels: of the output.

    Raises:
        UsageError: the function returned something else, or the target does not fit.
    """
    if score.by_channel:
        target = _fitted(target, predicted)
    values = np.atleast_1d(np.asarray(score.function(target, predicted), np.float64))
    if values.shape not in ((1,), (channels,)):
        raise UsageError(
            f"score '{score.name}' returned shape {list(values.shape)}, expected one number or one "
            f"for each of {channels} channels"
        )
    return [float(value) for value in values]


def _fitted(target: Array, predicted: Array) -> Array:
    """Return the target in the output's shape, where they differ by axes of size 1 only."""
    if [n for n in target.shape[1:] if n != 1] != [n for n in predicted.shape[1:] if n != 1]:
        raise UsageError(
            f"targets of shape {list(target.shape)} do not fit an output of shape "
            f"{list(predicted.shape)}; name one target for each channel (--targets)"
        )
    return target.reshape(predicted.shape)
