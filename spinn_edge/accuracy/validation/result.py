"""The verdict on an optimized model, output by output."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spinn_edge.accuracy.metrics.faults import Fault
from spinn_edge.accuracy.metrics.outputs import ChannelMetrics, OutputMetrics, finite_json
from spinn_edge.accuracy.metrics.ssim import EXTRA, has_windows
from spinn_edge.accuracy.metrics.task_score import Score, ScoreChange
from spinn_edge.accuracy.validation.comparison import Comparison, OutputDifference
from spinn_edge.accuracy.validation.tolerances import ValidationTolerance
from spinn_edge.core.errors import install_command


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputVerdict:
    """What became of one output.

    Attributes:
        output: its name.
        reasons: why it failed, one sentence for each; empty when it passed.
        drift: the optimized model's output against the baseline's; None where there is a fault.
        drift_limits: largest allowed ``over_scale`` of each channel.
        scores: of both models; empty without a target, and where there is a fault.
        fault: NaN, Inf, another shape or dtype.
        notes: what could not be computed, and what to type.
    """

    output: str
    reasons: tuple[str, ...]
    drift: OutputMetrics | None
    drift_limits: tuple[float, ...]
    scores: tuple[ScoreChange, ...]
    fault: Fault | None = None
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True when nothing stands against it."""
        return not self.reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """The verdict.

    Attributes:
        outputs: one verdict for each output that both models have.
        score: name of the task's score.
        samples: how many were run.
        source: where they came from, in words.
        fault: why the outputs of the two could not be paired; None where they could.
        comparison: the outputs themselves, for figures; not in the JSON.
    """

    outputs: tuple[OutputVerdict, ...]
    score: str
    samples: int
    source: str
    fault: str | None = None
    comparison: Comparison = field(repr=False)

    @property
    def passed(self) -> bool:
        """True when at least one output was judged and none failed."""
        return bool(self.outputs) and not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it failed, one sentence for each; empty when it passed."""
        faults = () if self.fault is None else (self.fault,)
        return faults + tuple(reason for output in self.outputs for reason in output.reasons)

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``spinn-edge validate --json``; null for what is infinite."""
        return {
            "passed": self.passed,
            "reasons": list(self.reasons),
            "samples": self.samples,
            "source": self.source,
            "score": self.score,
            "outputs": [_output_json(output) for output in self.outputs],
        }


def judge_output(
    output: OutputDifference,
    scores: tuple[ScoreChange, ...],
    tolerance: ValidationTolerance,
    score: Score,
) -> OutputVerdict:
    """Hold one output against its limits.

    Args:
        output: of both models.
        scores: of both models; empty without a target.
        tolerance: what is allowed.
        score: what ``scores`` are.
    """
    if output.fault is not None or output.metrics is None:
        reason = "it was not measured" if output.fault is None else output.fault.reason
        return OutputVerdict(
            output=output.output,
            reasons=(f"output '{output.output}': {reason}",),
            drift=None,
            drift_limits=(),
            scores=(),
            fault=output.fault,
        )
    channels = output.metrics.channels
    limits = tuple(tolerance.drift_of(output.output, channel.channel) for channel in channels)
    reasons = [
        _drift_words(output.output, channel, limit)
        for channel, limit in zip(channels, limits, strict=True)
        if not channel.over_scale <= limit  # so written, NaN fails
    ]
    reasons += [_loss_words(output.output, change, score) for change in scores if not change.passed]
    return OutputVerdict(
        output=output.output,
        reasons=tuple(reasons),
        drift=output.metrics,
        drift_limits=limits,
        scores=scores,
        notes=_notes(output),
    )


def _drift_words(output: str, channel: ChannelMetrics, limit: float) -> str:
    return (
        f"output '{output}', channel '{channel.channel}' drifts by {channel.over_scale:.3g} of its "
        f"scale, allowed {limit:.3g} (max abs {channel.max_abs:.3g} in sample "
        f"{channel.worst_sample})"
    )


def _loss_words(output: str, change: ScoreChange, score: Score) -> str:
    where = f"output '{output}'" + (f", channel '{change.channel}'" if change.channel else "")
    verb = "falls" if score.larger_is_better else "grows"
    loss = f"{change.loss:.2%}".replace("%", " %") if score.relative else f"{change.loss:.3g}"
    limit = f"{change.limit:.2%}".replace("%", " %") if score.relative else f"{change.limit:.3g}"
    return (
        f"{score.name} of {where} {verb} by {loss}, allowed {limit} "
        f"({change.baseline:.4g} to {change.optimized:.4g})"
    )


def _notes(output: OutputDifference) -> tuple[str, ...]:
    metrics = output.metrics
    missing = has_windows(output.first) and metrics and metrics.channels[0].ssim is None
    constant = metrics and metrics.channels[0].data_range == 0
    if not missing or constant:
        return ()
    return (f"no SSIM of '{output.output}': it needs {install_command(EXTRA)}",)


def _output_json(verdict: OutputVerdict) -> dict[str, Any]:
    return {
        "output": verdict.output,
        "passed": verdict.passed,
        "reasons": list(verdict.reasons),
        "fault": finite_json(verdict.fault),
        "drift": finite_json(verdict.drift),
        "drift_limits": list(verdict.drift_limits),
        "scores": [{**finite_json(change), "passed": change.passed} for change in verdict.scores],
        "notes": list(verdict.notes),
    }
