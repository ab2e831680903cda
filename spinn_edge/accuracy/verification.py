"""A bundle against its own golden vectors, runtime by runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from spinn_edge.accuracy.golden_check import check_reference, stale_golden
from spinn_edge.accuracy.precision.truth import Claim, check_claims
from spinn_edge.accuracy.runtime_check import (
    BatchCheck,
    Check,
    SearchCheck,
    check_runtime,
    failed_check,
)
from spinn_edge.accuracy.search.worst_input import SearchRequest
from spinn_edge.accuracy.weight_check import explain_weights
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import SpinnEdgeError, UsageError
from spinn_edge.core.manifest import PRECISIONS, Manifest
from spinn_edge.core.steps import OnStep, unheard
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions


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
        batch_checks: of runtimes whose checks all passed.
        searches: of those, where a search was asked for.
        search_note: why no search was made though it was asked for; empty where it was.
        golden_fault: why the golden vectors cannot be those of this bundle; None where they can.
        tolerances_by_hand: see :class:`spinn_edge.core.manifest.Manifest`.
        claims: what was counted in files that say they are in another precision than float32.
    """

    bundle: str
    checks: tuple[Check, ...]
    skipped: tuple[Skipped, ...]
    batch_checks: tuple[BatchCheck, ...] = ()
    searches: tuple[SearchCheck, ...] = ()
    search_note: str = ""
    golden_fault: str | None = None
    tolerances_by_hand: Mapping[str, float] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    @property
    def passed(self) -> bool:
        """True when a check ran, all that ran passed, and no file breaks its claim."""
        if any(claim.holds is False for claim in self.claims):
            return False
        return bool(self.checks) and not self.failed and self.golden_fault is None

    @property
    def failed(self) -> tuple[Check | BatchCheck | SearchCheck, ...]:
        """What failed, in the order in which it was checked."""
        every: tuple[Check | BatchCheck | SearchCheck, ...]
        every = (*self.checks, *self.batch_checks, *self.searches)
        return tuple(check for check in every if check.reason is not None)

    @property
    def precisions(self) -> tuple[str, ...]:
        """What was asked for, in the order of ``PRECISIONS``."""
        asked = {check.precision for check in self.checks}
        asked |= {skipped.precision for skipped in self.skipped}
        return tuple(name for name in PRECISIONS if name in asked)


def verify_bundle(
    bundle: Bundle,
    runtimes: Sequence[str],
    options: OpenOptions | None = None,
    precisions: Sequence[str] | None = None,
    on_progress: OnStep = unheard,
    on_refusal: Callable[[str, str, SpinnEdgeError], None] = lambda runtime, precision, error: None,
    search: SearchRequest | None = None,
) -> Verification:
    """Run every named runtime on the golden inputs, and beyond them where that is asked for.

    Args:
        bundle: a loaded bundle.
        runtimes: names from the registry.
        options: how to open them; their precision is replaced.
        precisions: files to check; None for every precision that the bundle holds of a runtime's
            format.
        on_progress: called before each runtime starts with its name, how many have ended, and how
            many there are.
        on_refusal: called with name, precision and error of each runtime that could not open the
            bundle.
        search: the reference for inputs that are not golden, and how far to look.

    Returns:
        Checks at batch 1, 2, 7 and the maximum for each runtime that could be opened; where these
        pass, the proof of its batch, and the worst input that the search found.

    Raises:
        BundleError: the bundle has no golden vectors, or they are damaged.
        UsageError: an unknown runtime, or options that make no sense.
    """
    golden = bundle.golden()
    manifest = bundle.manifest
    fault = stale_golden(manifest, golden)
    if fault is None and search is not None:
        fault = check_reference(manifest, golden, search.exact)
    checks: list[Check] = []
    batch_checks: list[BatchCheck] = []
    searches: list[SearchCheck] = []
    skipped: list[Skipped] = []
    for number, name in enumerate(runtimes):
        on_progress(name, number, len(runtimes))
        for precision in precisions or _precisions_of(manifest, name):
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
                    checks.append(failed_check(name, precision, 0, str(exc)))
                continue
            try:
                done = check_runtime(manifest, golden, name, precision, opened, search)
                facts = opened.facts  # last: a runtime may learn more of itself while it runs
            finally:
                opened.close()
            checks += [
                replace(check, served_by=facts.served_by, notices=facts.notices)
                for check in _with_weights(done.checks, bundle, facts.file)
            ]
            batch_checks += [done.batch] if done.batch else []
            searches += [done.search] if done.search else []
    return Verification(
        bundle=bundle.name,
        checks=tuple(checks),
        skipped=tuple(skipped),
        batch_checks=tuple(batch_checks),
        searches=tuple(searches),
        golden_fault=fault,
        tolerances_by_hand=manifest.tolerances_by_hand,
        claims=check_claims(
            bundle, {registry.find(name).format for name in runtimes}, precisions or PRECISIONS
        ),
    )


def _with_weights(checks: Sequence[Check], bundle: Bundle, file: str) -> tuple[Check, ...]:
    """Say which weights of a file are not the bundle's, where outputs differ."""
    wrong = [check for check in checks if check.reason is not None and check.max_abs is not None]
    entries = [entry for entry in bundle.manifest.files if entry.path == file]
    words = explain_weights(bundle, entries[0]) if wrong and entries else ""
    if not words:
        return tuple(checks)
    return tuple(
        replace(check, reason=f"{check.reason}; {words}") if check in wrong else check
        for check in checks
    )


def _precisions_of(manifest: Manifest, runtime: str) -> tuple[str, ...]:
    """Return what the bundle holds for a runtime; the first precision where it holds nothing."""
    held = {entry.precision for entry in manifest.files_of(registry.find(runtime).format)}
    return tuple(name for name in PRECISIONS if name in held) or PRECISIONS[:1]
