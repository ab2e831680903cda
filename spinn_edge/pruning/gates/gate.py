"""The success gate: did pruning do what it was for, and if not, why and what to try."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import Scores
from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.pruning.gates import gate_advice as advice
from spinn_edge.pruning.gates.score_advice import ScoreAdvice


@dataclass(frozen=True, slots=True, kw_only=True)
class PruningGate:
    """What a pruned network must hold; None asks for nothing.

    Attributes:
        min_r2: coefficient of determination, mean over targets, must be above it.
        min_r2_each: that of each target must be above it.
        max_r2_loss: what the mean and each target may lose against the network before pruning.
        parameter_range: fewest and most parameters that may be left.
        min_speedup: latency before over latency after, at least.
    """

    min_r2: float | None = 0.75
    min_r2_each: float | None = 0.70
    max_r2_loss: float | None = None
    parameter_range: tuple[int, int] | None = None
    min_speedup: float | None = None

    def __post_init__(self) -> None:
        numbers = (self.min_r2, self.min_r2_each, self.max_r2_loss, self.min_speedup)
        for value in (*numbers, *(self.parameter_range or ())):
            if value is not None and not math.isfinite(value):
                raise UsageError(f"a limit of the gate is {value}, expected a finite number")
        for value in (self.min_r2, self.min_r2_each):
            if value is not None and value >= 1:
                raise UsageError(f"a limit of R² is {value:g}; R² is at most 1, name one below it")
        if self.max_r2_loss is not None and self.max_r2_loss < 0:
            raise UsageError(
                f"the allowed loss of R² is {self.max_r2_loss:g}, expected 0 or more, such as 0.01"
            )
        if self.min_speedup is not None and self.min_speedup <= 0:
            raise UsageError(
                f"the lowest speed-up is {self.min_speedup:g}, expected more than 0, such as 1.5"
            )
        if self.parameter_range is not None:
            low, high = self.parameter_range
            if not 0 <= low <= high:
                raise UsageError(
                    f"the range of parameters is {low:,} to {high:,}, expected the fewest first, "
                    "such as 150,000 to 250,000"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class GateCheck:
    """One thing that was asked and what was found.

    Attributes:
        name: what was looked at: ``widths changed``, ``parameters``, ``R² of tool_wear``, ...
        passed: the verdict.
        found: in words.
        wanted: in words.
        value: what was found; None where there is no number.
        reason: why it failed and what to try; empty when it passed.
    """

    name: str
    passed: bool
    found: str
    wanted: str
    value: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """The verdict: every check, in order."""

    checks: tuple[GateCheck, ...]

    @property
    def passed(self) -> bool:
        """True when none failed."""
        return all(check.passed for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it failed, a sentence a check; empty when it passed."""
        return tuple(check.reason for check in self.checks if not check.passed)


def judge(
    gate: PruningGate,
    before: Scores | None,
    after: Scores | None,
    audit: PruningAudit,
    speedup: float | None = None,
    *,
    finetune_epochs: int = 10,
) -> GateResult:
    """Hold a pruned network against a gate.

    Args:
        gate: what is asked.
        before: scores of the network before pruning; None where it was not scored.
        after: scores of the pruned one, on the same rows; None where it was not scored.
        audit: of the pruning.
        speedup: latency before over latency after, measured; None where it was not.
        finetune_epochs: epochs that a round had, for the advice.

    Returns:
        A check for each thing that was asked. What could not be judged has failed: a gate that
        lets through what nobody measured is none.
    """
    checks = [_widths(audit), _share(audit)]
    if gate.parameter_range is not None:
        checks.append(_parameters(audit, gate.parameter_range))
    words = advice.after_pruning(audit, finetune_epochs)
    checks += judge_scores(gate, before, after, words).checks
    if gate.min_speedup is not None:
        checks.append(_speedup(audit, gate.min_speedup, speedup))
    return GateResult(checks=tuple(checks))


def judge_scores(
    gate: PruningGate, before: Scores | None, after: Scores | None, words: ScoreAdvice
) -> GateResult:
    """Hold scores alone against a gate; its parameters and its speed-up are left out.

    Args:
        gate: what is asked.
        before: scores of the network before; None where it was not scored.
        after: scores of the one that came out, on the same rows; None where it was not scored.
        words: what was done to it, and what to try.

    Returns:
        A check for each limit and target, overall first. What is not known has failed.
    """
    checks = [
        check
        for name, floor in _scored(gate, before, after)
        for check in _score(name, floor, gate.max_r2_loss, before, after, words)
    ]
    return GateResult(checks=tuple(checks))


def _widths(audit: PruningAudit) -> GateCheck:
    changed = [layer for layer in audit.layers if layer.after < layer.before]
    return GateCheck(
        name="widths changed",
        passed=bool(changed),
        found=f"{len(changed)} of {len(audit.layers)} groups of layers are narrower",
        wanted="one or more",
        value=len(changed),
        reason="" if changed else advice.unchanged_widths(audit),
    )


def _share(audit: PruningAudit) -> GateCheck:
    tolerance = audit.tolerance
    passed = tolerance is None or abs(audit.achieved - audit.requested) <= tolerance
    allowed = "the nearest that its widths reach" if tolerance is None else f"± {tolerance:.2%}"
    return GateCheck(
        name=f"share of {audit.by} removed",
        passed=passed,
        found=f"{audit.achieved:.2%}",
        wanted=f"{audit.requested:.2%}, {allowed}",
        value=audit.achieved,
        reason="" if passed else advice.missed_share(audit),
    )


def _parameters(audit: PruningAudit, allowed: tuple[int, int]) -> GateCheck:
    low, high = allowed
    passed = low <= audit.parameters_after <= high
    return GateCheck(
        name="parameters",
        passed=passed,
        found=f"{audit.parameters_after:,}",
        wanted=f"{low:,} to {high:,}",
        value=audit.parameters_after,
        reason="" if passed else advice.outside_range(audit, low, high),
    )


def _scored(
    gate: PruningGate, before: Scores | None, after: Scores | None
) -> list[tuple[str, float | None]]:
    """Return what is scored, the mean as an empty name, with its lowest value."""
    if (gate.min_r2, gate.min_r2_each, gate.max_r2_loss) == (None, None, None):
        return []
    scores = after or before
    targets = () if scores is None else tuple(scores.r2)
    overall = [] if gate.min_r2 is None and gate.max_r2_loss is None else [("", gate.min_r2)]
    if gate.min_r2_each is None and gate.max_r2_loss is None:
        return overall
    return overall + [(target, gate.min_r2_each) for target in targets]


def _score(
    target: str,
    floor: float | None,
    max_loss: float | None,
    before: Scores | None,
    after: Scores | None,
    words: ScoreAdvice,
) -> list[GateCheck]:
    """Judge one target, or the mean, by its value and by what it lost."""
    name = f"R² of {target}" if target else "R² overall"
    was, now = _r2(before, target), _r2(after, target)
    linear = None if after is None or not target else after.linear_r2.get(target)
    checks = []
    if floor is not None:
        passed = now is not None and now > floor
        reason = "" if passed else words.low_score(name, was, now, floor, linear, after)
        checks.append(_score_check(name, passed, now, f"above {floor:g}", reason))
    if max_loss is not None:
        loss = None if was is None or now is None else was - now
        passed = loss is not None and loss <= max_loss
        reason = "" if passed else words.lost_score(name, was, now, max_loss)
        wanted = f"at most {max_loss:g}"
        checks.append(_score_check(f"loss of {name}", passed, loss, wanted, reason))
    return checks


def _score_check(
    name: str, passed: bool, value: float | None, wanted: str, reason: str
) -> GateCheck:
    found = "not known" if value is None else f"{value:.4f}"
    return GateCheck(
        name=name, passed=passed, found=found, wanted=wanted, value=value, reason=reason
    )


def _r2(scores: Scores | None, target: str) -> float | None:
    if scores is None:
        return None
    value = scores.r2.get(target) if target else scores.r2_overall
    return value if value is not None and math.isfinite(value) else None


def _speedup(audit: PruningAudit, lowest: float, speedup: float | None) -> GateCheck:
    passed = speedup is not None and math.isfinite(speedup) and speedup >= lowest
    return GateCheck(
        name="speed-up",
        passed=passed,
        found="not measured" if speedup is None else f"{speedup:.2f}×",
        wanted=f"at least {lowest:.2f}×",
        value=speedup,
        reason="" if passed else advice.too_slow(audit, lowest, speedup),
    )
