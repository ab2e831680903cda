"""One open runtime against golden vectors, at every batch size, and in the range of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spinn_edge.accuracy.batch_proof import describe_served, prove_batches
from spinn_edge.accuracy.golden_check import check_golden, golden_limits, rounding_of
from spinn_edge.accuracy.hand_limits import chosen_share, marked, shares_by_hand
from spinn_edge.accuracy.parity import Parity, against_eager
from spinn_edge.accuracy.search.worst_input import SearchRequest, search_shares, search_worst
from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import PRECISIONS, Manifest
from spinn_edge.core.proofs import BatchProof, SearchProof
from spinn_edge.runtimes.base import Runtime, RuntimeFacts

SEARCH_BATCH = 1024
"""Samples in one call of a search at most."""


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
        output: name of the output that ``max_abs`` is of; empty where nothing was compared.
        channel: its channel; None where nothing was compared.
        share_by_hand: share of the scale behind ``tolerance``, where somebody chose it by hand.
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
    output: str = ""
    channel: int | None = None
    share_by_hand: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCheck:
    """Whether one runtime's batch is dynamic, and its rows independent."""

    runtime: str
    precision: str
    proof: BatchProof
    share_by_hand: float | None = None

    @property
    def reason(self) -> str | None:
        """Why it failed; None when it passed."""
        return self.proof.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchCheck:
    """The worst input that was found for one runtime."""

    runtime: str
    precision: str
    found: SearchProof
    share_by_hand: float | None = None

    @property
    def reason(self) -> str | None:
        """Why it failed; None when it passed."""
        return self.found.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChecks:
    """All that was found out about one runtime in one precision.

    Attributes:
        checks: one a batch size.
        batch: None where a check failed before.
        search: None where none was asked for, or something failed before.
    """

    checks: tuple[Check, ...]
    batch: BatchCheck | None = None
    search: SearchCheck | None = None


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


def check_runtime(
    manifest: Manifest,
    golden: Golden,
    name: str,
    precision: str,
    runtime: Runtime,
    search: SearchRequest | None = None,
) -> RuntimeChecks:
    """Check an open runtime; what one check shows broken is not asked further.

    Args:
        manifest: says limits and sizes.
        golden: inputs with float64 outputs.
        name: of the runtime that was asked for.
        precision: which of the bundle's files was opened.
        runtime: stays open.
        search: look beyond the golden inputs too.
    """
    sizes = verification_batches(manifest, runtime.facts)
    limits = golden_limits(manifest, precision, runtime.facts)
    by_hand = shares_by_hand(manifest, precision)
    rounding = rounding_of(precision, runtime.facts)
    checks = []
    for batch in sizes:
        try:
            parity = check_golden(runtime, golden, batch, limits)
        except SpinnEdgeError as exc:
            checks.append(failed_check(name, precision, batch, str(exc)))
        else:
            checks.append(_check(name, precision, batch, marked(parity, manifest, precision)))
    if not all(check.passed for check in checks):
        return RuntimeChecks(checks=_with_sizes(checks, runtime, golden, manifest))
    alone = against_eager(manifest.parity, rounding, by_hand)
    try:
        proof = prove_batches(runtime, golden, limits, alone, manifest, sizes)
    except SpinnEdgeError as exc:
        checks.append(failed_check(name, precision, sizes[-1], str(exc)))
        return RuntimeChecks(checks=tuple(checks))
    batch_check = BatchCheck(
        runtime=name,
        precision=precision,
        proof=proof,
        share_by_hand=chosen_share(by_hand, proof.output, proof.channel),
    )
    if search is None or not proof.passed:
        return RuntimeChecks(checks=tuple(checks), batch=batch_check)
    found = search_worst(
        runtime,
        search,
        golden,
        manifest.parity,
        search_shares(manifest.parity, rounding, by_hand),
        search_batch(sizes),
    )
    return RuntimeChecks(
        checks=tuple(checks),
        batch=batch_check,
        search=SearchCheck(
            runtime=name,
            precision=precision,
            found=found,
            share_by_hand=chosen_share(by_hand, found.output, found.channel),
        ),
    )


def search_batch(sizes: Sequence[int]) -> int:
    """Return the size that a search runs at: one that was proved, so that nothing is compiled."""
    return max([size for size in sizes if size <= SEARCH_BATCH], default=min(sizes))


def failed_check(name: str, precision: str, batch: int, reason: str) -> Check:
    """Return the check of something that could not even be compared."""
    return Check(
        runtime=name,
        batch=batch,
        max_abs=None,
        tolerance=None,
        passed=False,
        reason=reason,
        precision=precision,
    )


def _check(name: str, precision: str, batch: int, parity: Parity) -> Check:
    return Check(
        runtime=name,
        batch=batch,
        max_abs=parity.max_abs,
        tolerance=parity.tolerance,
        passed=parity.passed,
        reason=parity.reason,
        precision=precision,
        output=parity.output,
        channel=parity.channel,
        share_by_hand=parity.share_by_hand,
    )


def _with_sizes(
    checks: Sequence[Check], runtime: Runtime, golden: Golden, manifest: Manifest
) -> tuple[Check, ...]:
    """Say which sizes are served, where some were refused though the model takes any."""
    refused = [check for check in checks if check.max_abs is None]
    if not refused or manifest.inputs[0].shape[0] is not None:
        return tuple(checks)
    words = describe_served(runtime, golden, manifest)
    if not words:
        return tuple(checks)
    return tuple(
        replace(check, reason=f"{words} ({check.reason})") if check in refused else check
        for check in checks
    )
