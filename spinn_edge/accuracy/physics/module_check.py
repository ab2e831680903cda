"""The physics of two networks in memory, before and after a round of pruning or an adaptation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinn_edge.accuracy.physics.exact_network import TorchNetwork
from spinn_edge.accuracy.physics.questions import PhysicsQuestions
from spinn_edge.accuracy.physics.result import EXACT, MonotoneCheck, ResidualCheck
from spinn_edge.accuracy.physics.stencils import spread
from spinn_edge.accuracy.physics.verdicts import (
    count_violations,
    derivative_scale,
    judge_monotone,
    judge_residual,
    residual_size,
)
from spinn_edge.core.derivatives import Channel, ChannelNames, parse_derivatives
from spinn_edge.core.errors import UsageError
from spinn_edge.core.slopes import Monotone, parse_monotone
from spinn_edge.core.tensors import Array

_AFTER = {"runtime": EXACT, "precision": EXACT, "bundle": "after"}

ModuleCheck = Callable[[Any, Any], "ModulePhysics"]
"""From the network before and the network after; both from raw features to physical units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModulePhysics:
    """What became of a network's physics.

    Attributes:
        points: samples that were looked at.
        monotone: a line for each slope of the network after.
        residual: of the network after; None where no equation was asked for.
    """

    points: int
    monotone: tuple[MonotoneCheck, ...]
    residual: ResidualCheck | None

    @property
    def passed(self) -> bool:
        """Every check passed."""
        return all(check.passed for check in self._checks)

    @property
    def words(self) -> str:
        """One sentence for each check, joined by semicolons."""
        return "; ".join(map(_words, self._checks))

    @property
    def _checks(self) -> tuple[MonotoneCheck | ResidualCheck, ...]:
        return (*([self.residual] if self.residual else []), *self.monotone)


def make_module_check(
    questions: PhysicsQuestions, names: ChannelNames, features: Array
) -> ModuleCheck:
    """Return a check that can be called after every round.

    Args:
        questions: a residual, slopes or both, with their limits. Of ``features`` the first
            ``questions.points`` rows count.
        names: what the networks' columns are called.
        features: samples, shape (rows, features), physical units.

    Raises:
        UsageError: nothing is asked, an unknown column, or there are no samples. The check itself
            raises it where the user's function fails, or gives NaN for the network before.
    """
    monotone = parse_monotone(questions.monotone, names)
    wanted = parse_derivatives(
        (*questions.derivatives, *(one.derivative.request for one in monotone)), names
    )
    if questions.residual is None and not monotone:
        raise UsageError(
            "no physics is asked for: name an equation with --residual module:function, or a slope "
            "with --monotone tool_wear:time:+"
        )
    given = _only(names.inputs, "inputs")
    network_outputs = (_only(names.outputs, "outputs"),)
    samples = np.asarray(features[: max(questions.points, 0)], np.float64)
    if not len(samples):
        raise UsageError("there are no samples to check physics at; give at least one point")
    feeds = {given: samples}

    def answer(module: Any) -> _Answers:
        network = TorchNetwork(module, network_outputs, double=True)
        network.module.eval().cpu()
        outputs, derivatives = network.differentiate(feeds, wanted)
        size = None
        if questions.residual is not None:
            size = residual_size(questions, feeds, outputs, derivatives)
        return _Answers(outputs=outputs, derivatives=derivatives, residual=size)

    def check(before: Any, after: Any) -> ModulePhysics:
        was = answer(before)
        now = answer(after)
        return ModulePhysics(
            points=len(samples),
            monotone=tuple(_judge_slope(one, was, now, feeds, questions) for one in monotone),
            residual=_judge_residual(was, now, questions),
        )

    return check


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    outputs: Mapping[str, Array]
    derivatives: Mapping[str, Array]
    residual: float | None


def _only(columns: Mapping[str, Channel], kind: str) -> str:
    tensors = {channel.tensor for channel in columns.values()}
    if len(tensors) != 1:
        raise UsageError(
            f"the networks have {len(tensors)} {kind} ({', '.join(sorted(tensors))}), and networks "
            "in memory are checked with one; write bundles and use spinn-edge physics"
        )
    return tensors.pop()


def _judge_slope(
    one: Monotone,
    was: _Answers,
    now: _Answers,
    feeds: Mapping[str, Array],
    questions: PhysicsQuestions,
) -> MonotoneCheck:
    request, output = one.derivative.request, one.derivative.output
    scale = derivative_scale(
        was.derivatives[request],
        was.outputs[output.tensor][:, output.index],
        tuple(spread(feeds, channel) for channel in one.derivative.inputs),
    )
    allowance, allowed = questions.limits.first * scale, questions.limits.violations
    before, _ = count_violations(one, was.derivatives[request], allowance)
    return judge_monotone(
        one,
        now.derivatives[request],
        before=before,
        limit=before if allowed is None else allowed,
        allowance=allowance,
        **_AFTER,
    )


def _judge_residual(
    was: _Answers, now: _Answers, questions: PhysicsQuestions
) -> ResidualCheck | None:
    if was.residual is None or now.residual is None:
        return None
    if not np.isfinite(was.residual):
        raise UsageError(
            f"{questions.residual_name} gives NaN or Inf for the network before; correct the "
            "function, or its samples"
        )
    return judge_residual(questions, before=was.residual, after=now.residual, **_AFTER)


def _words(check: MonotoneCheck | ResidualCheck) -> str:
    verdict = "passed" if check.passed else "FAILED"
    if isinstance(check, MonotoneCheck):
        return (
            f"{check.slope}: wrong sign at {check.violations:.2%} of the samples, before "
            f"{check.before:.2%}, allowed {check.limit:.2%}: {verdict}"
        )
    after = "NaN or Inf" if check.after is None else f"{check.after:.3g}"
    return (
        f"{check.residual}: root mean square {after}, before {check.before:.3g}, allowed "
        f"{check.limit:.3g}: {verdict}"
    )
