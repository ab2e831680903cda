"""From values to verdicts: derivatives, signs of slopes, residuals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spinn_edge.accuracy.physics.form_derivatives import FoundDerivative
from spinn_edge.accuracy.physics.questions import PhysicsLimits, PhysicsQuestions
from spinn_edge.accuracy.physics.result import DerivativeCheck, MonotoneCheck, ResidualCheck
from spinn_edge.core.derivatives import Derivative
from spinn_edge.core.errors import UsageError, first_line
from spinn_edge.core.slopes import Monotone
from spinn_edge.core.tensors import Array


def judge_derivative(
    derivative: Derivative,
    found: FoundDerivative,
    reference: Array,
    scale: float,
    limits: PhysicsLimits,
    **form: Any,
) -> DerivativeCheck:
    """Return whether a form is fit for a derivative.

    Args:
        derivative: which.
        found: what the form gives.
        reference: the derivative in float64, shape (rows,).
        scale: of the derivative.
        limits: how strictly.
        form: ``runtime``, ``precision``, ``served_by`` and ``notices``.
    """
    limit = limits.of_order(derivative.order) * scale
    error = float(np.abs(found.values - reference).max())
    finite = bool(np.isfinite(error))
    passed = finite and error <= limit
    return DerivativeCheck(
        derivative=derivative.request,
        method=found.method,
        scale=scale,
        error=error if finite else None,
        limit=limit,
        noise=found.noise,
        step=found.step,
        expected=found.expected,
        passed=passed,
        reason=None if passed else _why_unfit(found, error, limit, finite=finite),
        **form,
    )


def _why_unfit(found: FoundDerivative, error: float, limit: float, *, finite: bool) -> str:
    if not finite:
        return f"NaN or Inf, first in sample {int(np.argmin(np.isfinite(found.values)))}"
    if found.expected is None:
        return f"differs by {error:.3g}, allowed {limit:.3g}"
    if error <= max(found.expected, limit) or found.expected > limit:
        return (
            f"limited by rounding: a noise of {found.noise:.2g} in the outputs means an error of "
            f"up to {found.expected:.2g} at the best step; export it with --derivatives"
        )
    return (
        f"differs by {error:.3g}, allowed {limit:.3g}, and rounding explains "
        f"{found.expected:.2g} of it: the form has another slope"
    )


def derivative_scale(reference: Array, output: Array, spreads: tuple[float, ...]) -> float:
    """Return the scale of a derivative: its largest magnitude.

    A derivative that is 0 everywhere takes the output's magnitude over the spread of the inputs,
    or 1.

    Args:
        reference: float64, shape (rows,).
        output: what is differentiated, shape (rows,).
        spreads: of the inputs by which it is differentiated.
    """
    natural = float(np.abs(output).max()) / float(np.prod(spreads))
    return float(np.abs(reference).max()) or natural or 1.0


def count_violations(monotone: Monotone, slope: Array, allowance: float) -> tuple[float, float]:
    """Return the share of samples whose slope has the wrong sign, and the worst slope's size.

    Args:
        monotone: says the sign.
        slope: shape (rows,).
        allowance: a wrong sign within this is rounding, in the slope's unit.
    """
    wrong = -monotone.sign * slope
    share = float((~(wrong <= allowance)).mean())  # NaN counts
    worst = float(np.nan_to_num(wrong, nan=np.inf).max())
    return share, max(worst, 0.0) if np.isfinite(worst) else float(np.finfo(np.float64).max)


def judge_monotone(
    monotone: Monotone, slope: Array, *, before: float, limit: float, allowance: float, **form: str
) -> MonotoneCheck:
    """Return whether a slope has the wrong sign at no more samples than allowed.

    Args:
        monotone: says the sign.
        slope: shape (rows,).
        before: share of the samples where the network before has the wrong sign.
        limit: share that may have it.
        allowance: a wrong sign within this is rounding, in the slope's unit.
        form: ``runtime``, ``precision`` and ``bundle``.
    """
    share, worst = count_violations(monotone, slope, allowance)
    passed = share <= limit
    reason = None
    if not passed:
        reason = (
            f"the slope has the wrong sign at {share:.2%} of the samples, allowed {limit:.2%}; "
            f"worst {worst:.3g}"
        )
    return MonotoneCheck(
        slope=monotone.request,
        before=before,
        violations=share,
        limit=limit,
        worst=worst,
        passed=passed,
        reason=reason,
        **form,
    )


def judge_residual(
    questions: PhysicsQuestions, *, before: float, after: float, **form: str
) -> ResidualCheck:
    """Return whether a residual has grown by no more than allowed.

    Args:
        questions: name of the residual, and the limit.
        before: root mean square of the network before; finite.
        after: of this one; may be NaN.
        form: ``runtime``, ``precision`` and ``bundle``.
    """
    limit = questions.limits.growth * before
    finite = bool(np.isfinite(after))
    passed = finite and after <= limit
    reason = None
    if not finite:
        reason = "the residual is NaN or Inf"
    elif not passed:
        grown = after / before if before else np.inf
        reason = (
            f"{after:.3g} is {grown:.3g} times {before:.3g}, allowed {questions.limits.growth:g}"
        )
    return ResidualCheck(
        residual=questions.residual_name,
        before=before,
        after=after if finite else None,
        limit=limit,
        passed=passed,
        reason=reason,
        **form,
    )


def residual_size(
    questions: PhysicsQuestions,
    feeds: Mapping[str, Array],
    outputs: Mapping[str, Array],
    derivatives: Mapping[str, Array],
) -> float:
    """Call the user's function and return the root mean square of what it gives; may be NaN.

    Raises:
        UsageError: the function fails, or gives something that is no number for each sample.
    """
    name, function = questions.residual_name, questions.residual
    assert function is not None
    x, y = (
        _alone({n: np.asarray(a, np.float64) for n, a in arrays.items()})
        for arrays in (feeds, outputs)
    )
    rows = len(next(iter(feeds.values())))
    try:
        left = np.asarray(function(x, y, dict(derivatives)), np.float64)
    except KeyError as exc:
        raise UsageError(
            f"{name} asks for {exc}, but these derivatives were named: "
            f"{', '.join(derivatives) or 'none'}; add it to --derivatives"
        ) from exc
    except Exception as exc:  # the user's own code may raise anything
        raise UsageError(
            f"{name}(x, y, derivatives) fails ({type(exc).__name__}): {first_line(exc)}"
        ) from exc
    if left.ndim == 0 or len(left) != rows:
        raise UsageError(
            f"{name} returned shape {list(left.shape)} for {rows} samples, expected one row each"
        )
    return float(np.sqrt((left**2).mean()))


def _alone(arrays: dict[str, Array]) -> Any:
    """Return the only array, or all of them by name."""
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays
