"""A model's physics, before and after pruning, and through every form that is deployed.

The reference for derivatives is automatic differentiation of the bundle's own network in float64;
what pruning changed is told by a baseline bundle at the same samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spinn_edge.accuracy.physics.exam import Exam, prepare
from spinn_edge.accuracy.physics.form_derivatives import FormValues, evaluate_form
from spinn_edge.accuracy.physics.questions import PhysicsQuestions
from spinn_edge.accuracy.physics.result import (
    EXACT,
    DerivativeCheck,
    MonotoneCheck,
    PhysicsReport,
    ResidualCheck,
)
from spinn_edge.accuracy.physics.verdicts import (
    count_violations,
    judge_derivative,
    judge_monotone,
    judge_residual,
    residual_size,
)
from spinn_edge.accuracy.verification import Skipped
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import SpinnEdgeError, UsageError
from spinn_edge.core.manifest import PRECISIONS
from spinn_edge.core.steps import OnStep, unheard
from spinn_edge.core.tensors import Array
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, RuntimeFacts


def check_physics(
    bundle: Bundle,
    runtimes: Sequence[str],
    questions: PhysicsQuestions,
    *,
    baseline: Bundle | None = None,
    options: OpenOptions | None = None,
    precisions: Sequence[str] | None = None,
    skip_unavailable: bool = True,
    on_progress: OnStep = unheard,
) -> PhysicsReport:
    """Check derivatives, signs of slopes and a residual through every named runtime.

    Args:
        bundle: what is deployed.
        runtimes: names from the registry.
        questions: what to check.
        baseline: the model before pruning; None takes the bundle's own network for before.
        options: how to open; their precision is replaced.
        precisions: files to check; None for every precision that the bundle holds of a runtime's
            format.
        skip_unavailable: note a runtime that cannot work here, and go on; else its error is raised.
        on_progress: called before each runtime starts with its name, how many have ended, and how
            many there are.

    Raises:
        UsageError: nothing is asked, an unknown column, runtime or baseline, or the user's function
            fails.
        BundleError: a bundle is damaged.
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError, IncompatibleBundleError: a runtime cannot work here, and
            ``skip_unavailable`` is False.
    """
    options = options or OpenOptions()
    exam = prepare(bundle, baseline, questions, trust_factory=options.trust_factory)
    derivatives: list[DerivativeCheck] = []
    monotone, residuals = _of_networks(exam)
    skipped: list[Skipped] = []
    for number, name in enumerate(runtimes):
        on_progress(name, number, len(runtimes))
        for precision in precisions or _precisions_of(bundle, name):
            chosen = replace(options, precision=precision)
            where = _Where(runtime=name, precision=precision, bundle=bundle.name)
            try:
                got, facts = _evaluate(exam, name, chosen)
            except UsageError:
                raise
            except registry.CANNOT_RUN_HERE as exc:
                if not skip_unavailable:
                    raise
                skipped.append(Skipped(runtime=name, reason=str(exc), precision=precision))
            except SpinnEdgeError as exc:
                derivatives += _failed(exam, where, str(exc))
            else:
                derivatives += _judge_form(exam, got, where, facts)
                slopes = {request: found.values for request, found in got.derivatives.items()}
                monotone += _monotone(exam, where, slopes)
                residuals += _residual(exam, where, got.outputs, slopes)
    return PhysicsReport(
        bundle=bundle.name,
        baseline=(baseline or bundle).name,
        points=len(next(iter(exam.feeds.values()))),
        source=bundle.manifest.golden_source,
        derivatives=tuple(derivatives),
        monotone=tuple(monotone),
        residuals=tuple(residuals),
        skipped=tuple(skipped),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    """Which form of which bundle."""

    runtime: str
    precision: str
    bundle: str


def _precisions_of(bundle: Bundle, runtime: str) -> tuple[str, ...]:
    held = {entry.precision for entry in bundle.manifest.files_of(registry.find(runtime).format)}
    return tuple(name for name in PRECISIONS if name in held) or PRECISIONS[:1]


def _of_networks(exam: Exam) -> tuple[list[MonotoneCheck], list[ResidualCheck]]:
    """Check the networks themselves: what pruning changed, before any form comes in."""
    monotone: list[MonotoneCheck] = []
    residuals: list[ResidualCheck] = []
    both = (exam.own,) if exam.before is exam.own else (exam.before, exam.own)
    for exact in both:
        where = _Where(runtime=EXACT, precision=EXACT, bundle=exact.bundle.name)
        monotone += _monotone(exam, where, exact.derivatives)
        residuals += _residual(exam, where, exact.outputs, exact.derivatives)
    return monotone, residuals


def _evaluate(exam: Exam, name: str, options: OpenOptions) -> tuple[FormValues, RuntimeFacts]:
    """Return what a form gives, and what really loaded."""
    bundle = exam.own.bundle
    runtime = registry.open_backend(name, bundle, options)
    try:
        got = evaluate_form(
            name,
            runtime,
            bundle,
            options,
            exam.own.network,
            exam.feeds,
            exam.wanted,
            exam.own.derivatives,
        )
        return got, runtime.facts
    finally:
        runtime.close()


def _judge_form(
    exam: Exam, got: FormValues, where: _Where, facts: RuntimeFacts
) -> list[DerivativeCheck]:
    return [
        judge_derivative(
            derivative,
            got.derivatives[derivative.request],
            exam.own.derivatives[derivative.request],
            exam.scales[derivative.request],
            exam.questions.limits,
            runtime=where.runtime,
            precision=where.precision,
            served_by=facts.served_by,
            notices=facts.notices,
        )
        for derivative in exam.wanted
    ]


def _failed(exam: Exam, where: _Where, reason: str) -> list[DerivativeCheck]:
    return [
        DerivativeCheck(
            runtime=where.runtime,
            precision=where.precision,
            derivative=derivative.request,
            method="",
            scale=exam.scales[derivative.request],
            error=None,
            limit=exam.questions.limits.of_order(derivative.order)
            * exam.scales[derivative.request],
            passed=False,
            reason=reason,
        )
        for derivative in exam.wanted
    ]


def _monotone(exam: Exam, where: _Where, slopes: Mapping[str, Array]) -> list[MonotoneCheck]:
    checks = []
    for one in exam.monotone:
        request = one.derivative.request
        allowance = exam.questions.limits.first * exam.scales[request]
        before, _ = count_violations(one, exam.before.derivatives[request], allowance)
        checks.append(
            judge_monotone(
                one,
                slopes[request],
                before=before,
                limit=exam.allowed[one.request],
                allowance=allowance,
                runtime=where.runtime,
                precision=where.precision,
                bundle=where.bundle,
            )
        )
    return checks


def _residual(
    exam: Exam, where: _Where, outputs: Mapping[str, Array], slopes: Mapping[str, Array]
) -> list[ResidualCheck]:
    if exam.residual_before is None:
        return []
    return [
        judge_residual(
            exam.questions,
            before=exam.residual_before,
            after=residual_size(exam.questions, exam.feeds, outputs, slopes),
            runtime=where.runtime,
            precision=where.precision,
            bundle=where.bundle,
        )
    ]
