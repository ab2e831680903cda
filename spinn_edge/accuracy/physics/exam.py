"""What every form of a model is asked, and the float64 networks that answers are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spinn_edge.accuracy.physics.exact_network import TorchNetwork, exact_network, network_outputs
from spinn_edge.accuracy.physics.questions import PhysicsLimits, PhysicsQuestions, names_in
from spinn_edge.accuracy.physics.stencils import spread
from spinn_edge.accuracy.physics.verdicts import count_violations, derivative_scale, residual_size
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.derivatives import Derivative, parse_derivatives
from spinn_edge.core.errors import UsageError
from spinn_edge.core.slopes import Monotone, parse_monotone
from spinn_edge.core.tensors import Array, describe


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactValues:
    """A bundle's network in float64 at the samples.

    Attributes:
        bundle: whose.
        network: to ask at other points.
        outputs: by name, shape (rows, columns).
        derivatives: by request, shape (rows,).
    """

    bundle: Bundle
    network: TorchNetwork
    outputs: Mapping[str, Array]
    derivatives: Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """The questions, the samples and the right answers.

    Attributes:
        questions: as they came in.
        wanted: derivatives, those of the slopes included.
        monotone: slopes with their signs.
        feeds: samples by input name, in the model's own dtype.
        own: the bundle's network.
        before: the baseline's, or ``own`` itself.
        allowed: of each slope, the share of samples where it may have the wrong sign.
        residual_before: of ``before``; None where no residual is asked.
        scales: of each derivative of ``own``.
    """

    questions: PhysicsQuestions
    wanted: tuple[Derivative, ...]
    monotone: tuple[Monotone, ...]
    feeds: Mapping[str, Array]
    own: ExactValues
    before: ExactValues
    allowed: Mapping[str, float]
    residual_before: float | None
    scales: Mapping[str, float]


def prepare(
    bundle: Bundle,
    baseline: Bundle | None,
    questions: PhysicsQuestions,
    *,
    trust_factory: bool,
) -> Exam:
    """Read the questions and answer them with the networks themselves.

    Raises:
        UsageError, BundleError, MissingDependencyError: as
            :func:`spinn_edge.accuracy.physics.checks.check_physics`.
    """
    names = names_in(bundle)
    monotone = parse_monotone(questions.monotone, names)
    wanted = parse_derivatives(
        (*questions.derivatives, *(one.derivative.request for one in monotone)), names
    )
    if not wanted:
        raise UsageError(
            "nothing is asked: name derivatives, such as --derivatives tool_wear:time, or a slope "
            "with its sign, --monotone tool_wear:time:+"
        )
    if questions.points < 1:
        raise UsageError(f"--points must be at least 1, got {questions.points}")
    feeds = {n: array[: questions.points] for n, array in bundle.golden().inputs.items()}

    def at_samples(one: Bundle) -> ExactValues:
        network = exact_network(one, trust_factory=trust_factory)
        outputs, derivatives = network.differentiate(feeds, wanted)
        return ExactValues(bundle=one, network=network, outputs=outputs, derivatives=derivatives)

    own = at_samples(bundle)
    if baseline is not None:
        _check_alike(bundle, baseline)
    before = own if baseline is None else at_samples(baseline)
    residual_before = None
    if questions.residual is not None:
        residual_before = residual_size(questions, feeds, before.outputs, before.derivatives)
        if not np.isfinite(residual_before):
            raise UsageError(
                f"{questions.residual_name} gives NaN or Inf for {before.bundle.name} in float64; "
                "correct the function, or its samples"
            )
    scales = {
        d.request: derivative_scale(
            own.derivatives[d.request],
            own.outputs[d.output.tensor][:, d.output.index],
            tuple(spread(feeds, channel) for channel in d.inputs),
        )
        for d in wanted
    }
    allowed = {
        one.request: _allowed(questions.limits, one, before, scales, alone=baseline is None)
        for one in monotone
    }
    return Exam(
        questions=questions,
        wanted=wanted,
        monotone=monotone,
        feeds=feeds,
        own=own,
        before=before,
        allowed=allowed,
        residual_before=residual_before,
        scales=scales,
    )


def _allowed(
    limits: PhysicsLimits,
    one: Monotone,
    before: ExactValues,
    scales: Mapping[str, float],
    *,
    alone: bool,
) -> float:
    if limits.violations is not None:
        return limits.violations
    request = one.derivative.request
    allowance = limits.first * scales[request]
    return 0.0 if alone else count_violations(one, before.derivatives[request], allowance)[0]


def _check_alike(bundle: Bundle, baseline: Bundle) -> None:
    """Refuse a baseline that is a model of something else."""
    sizes = [
        (
            [(spec.name, spec.shape[1:]) for spec in one.manifest.inputs],
            [
                (spec.name, spec.shape[1:])
                for spec in one.manifest.outputs
                if spec.name in network_outputs(one)
            ],
            one.manifest.training and one.manifest.training.recipe.features,
            one.manifest.training and one.manifest.training.recipe.targets,
        )
        for one in (bundle, baseline)
    ]
    if sizes[0] != sizes[1]:
        taken = ", ".join(map(describe, baseline.manifest.inputs))
        raise UsageError(
            f"{baseline.name} is no baseline of {bundle.name}: it takes {taken}, and inputs, "
            "outputs and the columns that they were trained on must be the same"
        )
