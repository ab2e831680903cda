"""What was found about the physics of a model, form by form."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_edge.accuracy.verification import Skipped

EXACT = "float64"
"""Name, in the place of a runtime, of the network itself: what every form is held against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivativeCheck:
    """One derivative through one form against automatic differentiation in float64.

    Attributes:
        runtime: name of the one that was asked for.
        precision: which of the bundle's files.
        derivative: as it was asked for.
        method: ``output`` (the form gives it), ``autograd`` (PyTorch differentiates the form), or
            ``differences`` (of the form's float32 outputs).
        scale: largest magnitude of the reference, output units per input unit.
        error: largest difference from it; None where it is NaN or Inf, or the form failed.
        limit: largest error that is fit, same unit.
        noise: deviation of the form's rounding, output units; of differences only.
        step: share of the inputs' spread; likewise.
        expected: error that rounding and the formula explain; likewise.
        passed: the form in this precision is fit for this derivative.
        reason: why it is not; None when it is.
        served_by: see :class:`spinn_edge.runtimes.base.RuntimeFacts`.
        notices: likewise.
    """

    runtime: str
    precision: str
    derivative: str
    method: str
    scale: float
    error: float | None
    limit: float
    noise: float | None = None
    step: float | None = None
    expected: float | None = None
    passed: bool
    reason: str | None = None
    served_by: str = ""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MonotoneCheck:
    """A slope's sign at every sample.

    Attributes:
        runtime: likewise, or ``float64``.
        precision: likewise.
        bundle: whose.
        slope: as it was asked for, with its sign.
        before: share of the samples where the network before has the wrong sign.
        violations: share of the samples where this one has.
        limit: share that may have it.
        worst: steepest slope of the wrong sign, as a positive number; 0 without one.
        passed: no more violations than allowed.
        reason: why not; None when it passed.
    """

    runtime: str
    precision: str
    bundle: str
    slope: str
    before: float
    violations: float
    limit: float
    worst: float
    passed: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualCheck:
    """What a differential equation leaves over.

    Attributes:
        runtime: likewise, or ``float64``.
        precision: likewise.
        bundle: whose.
        residual: name of the user's function.
        before: its root mean square for the network before, in float64.
        after: for this one; None where it is NaN or Inf.
        limit: how large it may be.
        passed: it is no larger.
        reason: why not; None when it passed.
    """

    runtime: str
    precision: str
    bundle: str
    residual: str
    before: float
    after: float | None
    limit: float
    passed: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsReport:
    """All checks of one bundle.

    Attributes:
        bundle: its name.
        baseline: name of the bundle that stands for before; its own where none was given.
        points: samples that were checked.
        source: where they came from.
        derivatives: a line for each form and derivative.
        monotone: a line for each form and slope, the float64 networks first.
        residuals: a line for each form, likewise.
        skipped: what could not run on this machine.
    """

    bundle: str
    baseline: str
    points: int
    source: str
    derivatives: tuple[DerivativeCheck, ...]
    monotone: tuple[MonotoneCheck, ...]
    residuals: tuple[ResidualCheck, ...]
    skipped: tuple[Skipped, ...]

    @property
    def checks(self) -> tuple[DerivativeCheck | MonotoneCheck | ResidualCheck, ...]:
        """Every check, whatever its kind."""
        return (*self.derivatives, *self.monotone, *self.residuals)

    @property
    def passed(self) -> bool:
        """True when at least one form was checked and every check passed."""
        return bool(self.derivatives) and all(check.passed for check in self.checks)
