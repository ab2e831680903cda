"""A bundle against its own golden vectors, runtime by runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spinn_edge.accuracy.golden_check import check_golden
from spinn_edge.accuracy.parity import against_reference
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import (
    IncompatibleBundleError,
    MissingDependencyError,
    RuntimeUnavailableError,
    SpinnEdgeError,
    UsageError,
)
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import Manifest
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, Runtime

CANNOT_RUN_HERE = (MissingDependencyError, RuntimeUnavailableError, IncompatibleBundleError)
"""Errors that say something of this machine, not of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One runtime at one batch size against the float64 reference.

    Attributes:
        runtime: its name.
        batch: samples in the call.
        max_abs: see :class:`spinn_edge.accuracy.parity.Parity`.
        tolerance: likewise.
        passed: within tolerance.
        reason: why not; None when it passed.
    """

    runtime: str
    batch: int
    max_abs: float | None
    tolerance: float | None
    passed: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A runtime that could not be asked, and why."""

    runtime: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """All checks of one bundle.

    Attributes:
        bundle: its name.
        checks: what ran.
        skipped: what could not run on this machine.
    """

    bundle: str
    checks: tuple[Check, ...]
    skipped: tuple[Skipped, ...]

    @property
    def passed(self) -> bool:
        """True when at least one check ran and all that ran passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)


def verification_batches(manifest: Manifest) -> tuple[int, ...]:
    """Return the sizes that every form is proved at: 1, 2, a prime, and the maximum.

    A model whose own file fixes the batch is proved at that size alone.
    """
    fixed = manifest.inputs[0].shape[0]
    if fixed is not None:
        return (fixed,)
    largest = manifest.max_batch
    return tuple(sorted({size for size in (1, 2, 7) if size <= largest} | {largest}))


def verify_bundle(
    bundle: Bundle,
    runtimes: Sequence[str],
    options: OpenOptions | None = None,
    on_progress: Callable[[str], None] = lambda runtime: None,
    on_refusal: Callable[[str, SpinnEdgeError], None] = lambda runtime, error: None,
) -> Verification:
    """Run every named runtime on the golden inputs.

    Args:
        bundle: a loaded bundle.
        runtimes: names from the registry.
        options: how to open them.
        on_progress: called with each runtime's name before it starts.
        on_refusal: called with the error of each runtime that could not open the bundle.

    Returns:
        Checks at batch 1, 2, 7 and the maximum for each runtime that could be opened.

    Raises:
        BundleError: the bundle has no golden vectors, or they are damaged.
        UsageError: an unknown runtime, or options that make no sense.
    """
    golden = bundle.golden()
    checks: list[Check] = []
    skipped: list[Skipped] = []
    for name in runtimes:
        on_progress(name)
        try:
            opened = registry.open_backend(name, bundle, options or OpenOptions())
        except UsageError:
            raise
        except SpinnEdgeError as exc:
            on_refusal(name, exc)
            if isinstance(exc, CANNOT_RUN_HERE):
                skipped.append(Skipped(runtime=name, reason=str(exc)))
            else:
                checks.append(_failed(name, 0, str(exc)))
            continue
        checks += _check_runtime(bundle.manifest, golden, name, opened)
    return Verification(bundle=bundle.name, checks=tuple(checks), skipped=tuple(skipped))


def _check_runtime(manifest: Manifest, golden: Golden, name: str, runtime: Runtime) -> list[Check]:
    limits = against_reference(manifest.parity)
    checks = []
    try:
        for batch in verification_batches(manifest):
            try:
                parity = check_golden(runtime, golden, batch, limits)
            except SpinnEdgeError as exc:
                checks.append(_failed(name, batch, str(exc)))
                continue
            checks.append(
                Check(
                    runtime=name,
                    batch=batch,
                    max_abs=parity.max_abs,
                    tolerance=parity.tolerance,
                    passed=parity.passed,
                    reason=parity.reason,
                )
            )
    finally:
        runtime.close()
    return checks


def _failed(name: str, batch: int, reason: str) -> Check:
    return Check(
        runtime=name, batch=batch, max_abs=None, tolerance=None, passed=False, reason=reason
    )
