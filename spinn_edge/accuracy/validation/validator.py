"""An optimized model against its baseline on labelled data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from spinn_edge.accuracy.metrics import similarity
from spinn_edge.accuracy.metrics.outputs import channel_names
from spinn_edge.accuracy.metrics.task_score import (
    RMSE,
    SCORES,
    Score,
    ScoreChange,
    ScoreFunction,
    find_score,
    score_values,
)
from spinn_edge.accuracy.validation.comparison import Comparison, OutputDifference, compare_outputs
from spinn_edge.accuracy.validation.evaluation import Outputs, evaluate
from spinn_edge.accuracy.validation.evaluators import Evaluator, make_evaluator
from spinn_edge.accuracy.validation.labelled import LabelledData, load_labelled
from spinn_edge.accuracy.validation.result import OutputVerdict, ValidationResult, judge_output
from spinn_edge.accuracy.validation.tolerances import TOLERANCE, Limit, ValidationTolerance
from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import Array

NAMES = ("baseline", "optimized")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Columns of a CSV file; empty for those that the models were trained on."""

    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    drop_na: bool = False


class AccuracyValidator:
    """Judges whether an optimized model may take the place of its baseline.

    Drift of the outputs and loss of the task's score must be within tolerance, in every channel
    of every output; NaN, Inf, another shape or another dtype fail whatever the tolerance.
    """

    def __init__(
        self,
        baseline_model: Any,
        optimized_model: Any,
        *,
        tolerance: Limit = TOLERANCE,
        max_drift: Limit | None = None,
        score: str | Score | ScoreFunction = "r2",
        features: Sequence[str] = (),
        targets: Sequence[str] = (),
        drop_na: bool = False,
        runtime: str = "ort-cpu",
        baseline_runtime: str | None = None,
        span: float | None = None,
        floor: float | None = None,
    ) -> None:
        """Keep two models and what is allowed.

        Args:
            baseline_model: the reference: a bundle or its folder, an open model of a runtime, an
                ``nn.Module``, or a function of arrays.
            optimized_model: what is judged; likewise.
            tolerance: how much of its score each channel may lose; see
                :class:`spinn_edge.accuracy.validation.tolerances.ValidationTolerance`.
            max_drift: how far each channel may drift, a share of its scale; None for the square
                root of the tolerance.
            score: ``r2`` (the loss is a difference), ``rmse`` (the loss is its growth as a share of
                the baseline's), a function of targets and predictions whose larger values are
                better, or a :class:`spinn_edge.accuracy.metrics.task_score.Score`.
            features: columns of a CSV file; else those that a bundle was trained on.
            targets: likewise.
            drop_na: leave rows with missing values out.
            runtime: for a bundle that is judged.
            baseline_runtime: for a baseline that is a bundle; None for ``runtime``.
            span: data range of PSNR and SSIM; None for that of the baseline's output.
            floor: of the relative error; None for 1e-3 of each channel's scale.

        Raises:
            UsageError: a tolerance that is negative or no number, or an unknown score.
        """
        self._models = (baseline_model, optimized_model)
        self._runtimes = (baseline_runtime or runtime, runtime)
        self._tolerance = ValidationTolerance(loss=tolerance, drift=max_drift)
        self._score = find_score(score)
        self._columns = Columns(features=tuple(features), targets=tuple(targets), drop_na=drop_na)
        self._span, self._floor = span, floor

    def validate(self, loader: Any) -> ValidationResult:
        """Run both models over all samples and judge.

        Args:
            loader: see :func:`spinn_edge.accuracy.validation.labelled.load_labelled`.

        Raises:
            UsageError: the data cannot be read, does not fit, or defines no score.
            BundleError, RuntimeUnavailableError, MissingDependencyError: a model cannot be opened.
            InferenceError: a model refused or failed.
        """
        with ExitStack() as stack:
            baseline, optimized = (
                stack.enter_context(make_evaluator(model, name, runtime=runtime))
                for model, name, runtime in zip(self._models, NAMES, self._runtimes, strict=True)
            )
            columns = _columns(self._columns, (baseline, optimized))
            data = load_labelled(
                loader,
                features=columns.features,
                targets=columns.targets,
                drop_na=columns.drop_na,
            )
            first, second = (_run(model, data) for model in (baseline, optimized))
        comparison = compare_outputs(
            first, second, names=NAMES, channels=data.columns, span=self._span, floor=self._floor
        )
        return self._judged(comparison, data, first)

    def _judged(
        self, comparison: Comparison, data: LabelledData, baseline: Outputs
    ) -> ValidationResult:
        targets = match_targets(data, baseline)
        names = {*baseline.arrays}
        for array in baseline.arrays.values():
            names |= {*channel_names(array, data.columns)}
        self._tolerance.check_names(names)
        verdicts = [self._verdict(output, targets) for output in comparison.outputs]
        return ValidationResult(
            outputs=tuple(verdicts),
            fault=comparison.fault,
            score=self._score.name,
            samples=data.samples,
            source=data.source,
            comparison=comparison,
        )

    def _verdict(self, output: OutputDifference, targets: Mapping[str, Array]) -> OutputVerdict:
        target = targets.get(output.output)
        changes: tuple[ScoreChange, ...] = ()
        if target is not None and output.fault is None:
            changes = score_changes(self._score, target, output, self._tolerance)
        return judge_output(output, changes, self._tolerance, self._score)


def validate_optimization(
    baseline_model: Any,
    optimized_model: Any,
    validation_loader: Any,
    tolerance: float = TOLERANCE,
    *,
    max_drift: float | None = None,
    score: str | Score | ScoreFunction = "r2",
) -> bool:
    """Tell whether an optimized model may take the place of its baseline.

    True when, in every channel of every output, R² on the targets falls by at most ``tolerance``
    (the difference of the two R²), **and** the largest absolute difference of the two models'
    outputs is at most ``max_drift`` of the largest magnitude of the baseline's output in that
    channel. NaN, Inf, another shape or another dtype give False. For the reasons use
    :class:`AccuracyValidator`.

    Args:
        baseline_model: see :class:`AccuracyValidator`.
        optimized_model: likewise.
        validation_loader: see :func:`spinn_edge.accuracy.validation.labelled.load_labelled`.
        tolerance: how much R² may fall.
        max_drift: None for the square root of ``tolerance`` (0.1 for 0.01).
        score: see :class:`AccuracyValidator`.

    Raises:
        UsageError, BundleError, RuntimeUnavailableError, MissingDependencyError, InferenceError: as
            :meth:`AccuracyValidator.validate`; what could not be judged is neither True nor False.
    """
    validator = AccuracyValidator(
        baseline_model, optimized_model, tolerance=tolerance, max_drift=max_drift, score=score
    )
    return validator.validate(validation_loader).passed


def score_changes(
    score: Score, target: Array, output: OutputDifference, tolerance: ValidationTolerance
) -> tuple[ScoreChange, ...]:
    """Score one output of both models.

    Raises:
        UsageError: the baseline has no such score, so that nothing could be lost.
    """
    assert output.metrics is not None
    labels = [channel.channel for channel in output.metrics.channels]
    before = score_values(score, target, output.first, len(labels))
    after = score_values(score, target, output.second, len(labels))
    names = labels if len(before) == len(labels) else [""]
    for name, value in zip(names, before, strict=True):
        if not math.isfinite(value):
            raise UsageError(_undefined(score, output.output, name, value, len(target)))
    return tuple(
        ScoreChange(
            channel=name,
            baseline=old,
            optimized=new,
            loss=score.loss(old, new),
            limit=tolerance.loss_of(output.output, name),
        )
        for name, old, new in zip(names, before, after, strict=True)
    )


def match_targets(data: LabelledData, baseline: Outputs) -> dict[str, Array]:
    """Return the targets by the names of the baseline's outputs.

    Targets pair by name where they have one; else by order. Outputs without a target are judged by
    their drift alone.

    Raises:
        UsageError: a target that belongs to no output.
    """
    outputs = list(baseline.arrays)
    if data.named_targets and set(data.targets) <= set(outputs):
        return dict(data.targets)
    if len(data.targets) != len(outputs) or (data.named_targets and len(outputs) > 1):
        raise UsageError(
            f"{data.source} has targets {list(data.targets)}, the baseline model outputs "
            f"{outputs}; give one target for each output, under its name"
        )
    return dict(zip(outputs, data.targets.values(), strict=True))


def _run(model: Evaluator, data: LabelledData) -> Outputs:
    return evaluate(model, data.inputs, named=data.named_inputs, cast=data.from_table)


def _columns(given: Columns, models: Sequence[Evaluator]) -> Columns:
    """Fill in columns that were not given from what the models were trained on.

    Raises:
        UsageError: the models were trained on different columns.
    """
    chosen = {}
    for field in ("features", "targets"):
        known = {getattr(model.recipe, field) for model in models if model.recipe is not None}
        if getattr(given, field):
            chosen[field] = getattr(given, field)
        elif len(known) > 1:
            listed = " and ".join(sorted(", ".join(names) for names in known))
            raise UsageError(
                f"the two models were trained on different {field}: {listed}; name those to take "
                f"with {field}=... (--{field})"
            )
        else:
            chosen[field] = next(iter(known), ())
    return Columns(features=chosen["features"], targets=chosen["targets"], drop_na=given.drop_na)


def _undefined(score: Score, output: str, channel: str, value: float, samples: int) -> str:
    where = f"output '{output}'" + (f", channel '{channel}'" if channel else "")
    if score.function is similarity.r2:
        return (
            f"R² of {where} is undefined: its target is constant over {samples} samples; give "
            f"samples that differ, or another score: {RMSE.name} (--score rmse)"
        )
    known = ", ".join(SCORES)
    return (
        f"{score.name} of {where} is {value} for the baseline; take another score, such as {known}"
    )
