"""A bundle against its own golden vectors, runtime by runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from spinn_edge.accuracy.golden_check import check_golden, golden_limits
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import SpinnEdgeError, UsageError
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import PRECISIONS, Manifest
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, Runtime, RuntimeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One runtime at one batch size against the float64 reference.

    Attributes:
        runtime: name of the one that was asked for.
        batch: samples in the call; 0 where the bundle could not even be opened.
        max_abs: see :class:`spinn_edge.accuracy.parity.Parity`.
        tolerance: likewise.
        passed: within tolerance.
        reason: why not; None when it passed.
        precision: which of the bundle's files was asked for.
        served_by: see :class:`spinn_edge.runtimes.base.RuntimeFacts`.
        notices: likewise.
    """

    runtime: str
    batch: int
    max_abs: float | None
    tolerance: float | None
    passed: bool
    reason: str | None = None
    precision: str = PRECISIONS[0]
    served_by: str = ""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A runtime that could not be asked, and why."""

    runtime: str
    reason: str
    precision: str = PRECISIONS[0]


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

    @property
    def precisions(self) -> tuple[str, ...]:
        """What was asked for, in the order of ``PRECISIONS``."""
        asked = {check.precision for check in self.checks}
        asked |= {skipped.precision for skipped in self.skipped}
        return tuple(name for name in PRECISIONS if name in asked)


def verification_batches(manifest: Manifest, facts: RuntimeFacts | None = None) -> tuple[int, ...]:
    """Return the sizes that every form is proved at: 1, 2, a prime, and the maximum.

    A model whose own file fixes the batch is proved at that size alone. A runtime that takes fewer
    sizes is proved within them, its smallest and its largest included.

    Args:
        manifest: says the largest size that every form shall take.
        facts: of the open runtime; None for one that takes every size.
    """
    fixed = manifest.inputs[0].shape[0]
    if fixed is not None:
        return (fixed,)
    smallest = facts.min_batch if facts else 1
    largest = manifest.max_batch
    if facts and facts.max_batch is not None:
        largest = min(largest, facts.max_batch)
    largest = max(smallest, largest)
    return tuple(
        sorted({size for size in (1, 2, 7) if smallest < size < largest} | {smallest, largest})
    )


def verify_bundle(
    bundle: Bundle,
    runtimes: Sequence[str],
    options: OpenOptions | None = None,
    precisions: Sequence[str] | None = None,
    on_progress: Callable[[str], None] = lambda runtime: None,
    on_refusal: Callable[[str, str, SpinnEdgeError], None] = lambda runtime, precision, error: None,
) -> Verification:
    """Run every named runtime on the golden inputs.

    Args:
        bundle: a loaded bundle.
        runtimes: names from the registry.
        options: how to open them; their precision is replaced.
        precisions: files to check; None for every precision that the bundle holds of a runtime's
            format.
        on_progress: called with each runtime's name before it starts.
        on_refusal: called with name, precision and error of each runtime that could not open the
            bundle.

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
        for precision in precisions or _precisions_of(bundle.manifest, name):
            chosen = replace(options or OpenOptions(), precision=precision)
            try:
                opened = registry.open_backend(name, bundle, chosen)
            except UsageError:
                raise
            except SpinnEdgeError as exc:
                on_refusal(name, precision, exc)
                if isinstance(exc, registry.CANNOT_RUN_HERE):
                    skipped.append(Skipped(runtime=name, reason=str(exc), precision=precision))
                else:
                    checks.append(_failed(name, precision, 0, str(exc)))
                continue
            checks += _check_runtime(bundle.manifest, golden, name, precision, opened)
    return Verification(bundle=bundle.name, checks=tuple(checks), skipped=tuple(skipped))


def _precisions_of(manifest: Manifest, runtime: str) -> tuple[str, ...]:
    """Return what the bundle holds for a runtime; the first precision where it holds nothing."""
    held = {entry.precision for entry in manifest.files_of(registry.find(runtime).format)}
    return tuple(name for name in PRECISIONS if name in held) or PRECISIONS[:1]


def _check_runtime(
    manifest: Manifest, golden: Golden, name: str, precision: str, runtime: Runtime
) -> list[Check]:
    checks = []
    try:
        for batch in verification_batches(manifest, runtime.facts):
            try:
                limits = golden_limits(manifest, precision, runtime.facts)
                parity = check_golden(runtime, golden, batch, limits)
            except SpinnEdgeError as exc:
                checks.append(_failed(name, precision, batch, str(exc)))
            else:
                checks.append(
                    Check(
                        runtime=name,
                        batch=batch,
                        max_abs=parity.max_abs,
                        tolerance=parity.tolerance,
                        passed=parity.passed,
                        reason=parity.reason,
                        precision=precision,
                    )
                )
        facts = runtime.facts  # last: a runtime may learn more of itself while it runs
    finally:
        runtime.close()
    return [replace(c, served_by=facts.served_by, notices=facts.notices) for c in checks]


def _failed(name: str, precision: str, batch: int, reason: str) -> Check:
    return Check(
        runtime=name,
        batch=batch,
        max_abs=None,
        tolerance=None,
        passed=False,
        reason=reason,
        precision=precision,
    )
