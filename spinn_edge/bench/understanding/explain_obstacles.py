"""What stands against a part of an explanation, found out before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_edge.bench.understanding.explain_request import FLOOR, WIDTHS, ExplainRequest
from spinn_edge.bench.understanding.width_variants import mlp_of
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import (
    MissingDependencyError,
    RuntimeUnavailableError,
    SpinnEdgeError,
    UsageError,
)
from spinn_edge.core.optional import require
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import only_file


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A part that has nothing to say of this model or machine, and why."""

    part: str
    reason: str

    @classmethod
    def because(cls, part: str, error: SpinnEdgeError) -> LeftOut:
        """Take the reason from an error."""
        return cls(part=part, reason=" ".join(str(error).split()))


def check_runtime(bundle: Bundle, runtime: str) -> None:
    """Refuse now what every launch would refuse.

    Args:
        bundle: that shall be timed.
        runtime: name from the registry.

    Raises:
        RuntimeUnavailableError: it cannot work here, or the bundle holds no file for it.
    """
    state = registry.probe(runtime)
    if not state.available:
        advice = f"; {state.install}" if state.install else ""
        raise RuntimeUnavailableError(f"{runtime} cannot work here: {state.reason}{advice}")
    only_file(bundle, registry.find(runtime).format)


def parts_left_out(bundle: Bundle, request: ExplainRequest) -> tuple[LeftOut, ...]:
    """Return the parts that cannot be done; one that was named raises instead.

    Args:
        bundle: that shall be explained.
        request: its parts.

    Raises:
        UsageError: a part that was named says nothing of this model.
        MissingDependencyError: a package that a named part needs is not installed.
    """
    found = []
    for part in request.parts:
        try:
            _check_part(bundle, part)
        except (UsageError, MissingDependencyError) as exc:
            if not request.every_part:
                raise
            found.append(LeftOut.because(part, exc))
    return tuple(found)


def _check_part(bundle: Bundle, part: str) -> None:
    if part in (FLOOR, WIDTHS):
        mlp_of(bundle)
        require("torch", extra="export")
    if part == FLOOR:
        require("scipy.optimize", extra="bench")
