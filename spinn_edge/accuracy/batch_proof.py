"""Whether a form serves every batch size that it claims, and each row by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from spinn_edge.accuracy.parity import Parity, compare
from spinn_edge.core.errors import InferenceError, SpinnEdgeError
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import Manifest
from spinn_edge.core.proofs import BatchProof
from spinn_edge.core.tensors import Array
from spinn_edge.runtimes.base import Runtime, RuntimeFacts, infer

ROWS_ALONE = 16
"""Rows of each batch that are run alone too: the first, the last, and others evenly between."""

MOST_TRIED = 64
"""Sizes that are tried, from 1 on, to find out which ones a broken form serves."""


def prove_batches(
    runtime: Runtime,
    golden: Golden,
    limits: Mapping[str, Array],
    alone_limits: Mapping[str, Array],
    manifest: Manifest,
    batches: Sequence[int],
) -> BatchProof:
    """Prove that the batch is dynamic, beyond what comparing every size with golden outputs shows.

    One sample more than the largest size must be refused where the form is bounded, and right where
    it is not. And each row must come out in every batch as it comes out alone (as the first row of
    the smallest batch, where a form does not take single samples).

    Args:
        runtime: an open runtime.
        golden: inputs and the outputs to compare with.
        limits: by output, largest allowed absolute difference from those outputs, a channel.
        alone_limits: likewise of a row in one batch from the same row in another. Kernels of
            another size add in another order, so this cannot be 0: it is what the form may differ
            from eager by.
        manifest: says the largest size, and whether the model's own file fixes it.
        batches: sizes that were compared with the golden outputs.

    Returns:
        The proof; its ``reason`` says why where it failed.
    """
    most = largest_batch(manifest, runtime.facts)
    beyond = (most if most is not None else manifest.max_batch) + 1
    sizes = list(batches)
    if most is not None:
        reason = _refuses(runtime, golden, beyond, most)
    else:
        sizes.append(beyond)
        reason = _serves(runtime, golden, beyond, limits)
    worst: Parity | None = None
    if reason is None:
        worst, reason = _rows_alone(runtime, golden, sizes, alone_limits)
    return BatchProof(
        batches=tuple(sizes),
        beyond=beyond,
        beyond_refused=most is not None,
        output=worst.output if worst else "",
        channel=worst.channel if worst else None,
        max_abs=worst.max_abs if worst else None,
        tolerance=worst.tolerance if worst else None,
        reason=reason,
    )


def largest_batch(manifest: Manifest, facts: RuntimeFacts) -> int | None:
    """Return the largest batch that a form takes; None where nothing bounds it."""
    fixed = manifest.inputs[0].shape[0]
    return fixed if fixed is not None else facts.max_batch


def describe_served(runtime: Runtime, golden: Golden, manifest: Manifest) -> str:
    """Say which sizes a form serves that does not serve all; found by trying.

    A size counts as served when the call ends well and every output has as many samples.

    Args:
        runtime: an open runtime.
        golden: inputs to run.
        manifest: says the largest size.

    Returns:
        A clause such as ``it holds a fixed batch of 6 inside``; empty where every size that was
        tried is served.
    """
    most = largest_batch(manifest, runtime.facts) or MOST_TRIED
    tried = range(runtime.facts.min_batch, min(most, MOST_TRIED) + 1)
    served = [size for size in tried if _runs(runtime, golden, size)]
    if not tried or len(served) == len(tried):
        return ""
    if len(served) == 1:
        return f"it holds a fixed batch of {served[0]} inside"
    if not served:
        return f"it serves none of the batch sizes {tried[0]} to {tried[-1]}"
    step = math.gcd(*served)
    if step > 1 and served == [size for size in tried if size % step == 0]:
        return f"it serves multiples of {step} only: a batch of {step} is fixed inside"
    refused = [size for size in tried if size not in served]
    few, verb = (served, "serves only") if len(served) < len(refused) else (refused, "refuses")
    shown = ", ".join(map(str, few[:8])) + (" …" if len(few) > 8 else "")
    return f"of the batch sizes {tried[0]} to {tried[-1]} it {verb} {shown}"


def _refuses(runtime: Runtime, golden: Golden, size: int, most: int) -> str | None:
    """Return why a bounded form did not refuse one sample too many; None where it did."""
    try:
        infer(runtime, golden.at_batch(size).inputs)
    except InferenceError:
        return None
    return (
        f"batch {size} was taken though the largest is {most}: what comes out of it was "
        "never proved; it must be refused"
    )


def _serves(runtime: Runtime, golden: Golden, size: int, limits: Mapping[str, Array]) -> str | None:
    """Return why a form that takes any size is not right beyond the largest one; None if it is."""
    sample = golden.at_batch(size)
    try:
        verdict = compare(infer(runtime, sample.inputs), sample.outputs, limits)
    except SpinnEdgeError as exc:
        return f"batch {size}, one more than the largest that was proved, does not run: {exc}"
    return None if verdict.passed else f"batch {size}: {verdict.reason}"


def _rows_alone(
    runtime: Runtime,
    golden: Golden,
    sizes: Sequence[int],
    limits: Mapping[str, Array],
) -> tuple[Parity | None, str | None]:
    """Compare rows alone with the same rows in every batch; return the worst, and why it failed."""
    smallest = min(sizes)
    alone: dict[int, dict[str, Array]] = {}
    worst: Parity | None = None
    alone_is = "alone" if smallest == 1 else f"as the first of {smallest}"
    for size in sorted(set(sizes) - {smallest}) or [smallest]:
        together = infer(runtime, golden.at_batch(size).inputs)
        for row in _spread(size):
            sample = row % golden.rows
            if sample not in alone:
                inputs = golden.at_batch(smallest, start=sample).inputs
                alone[sample] = infer(runtime, inputs)
            one = {name: np.asarray(a[:1], np.float64) for name, a in alone[sample].items()}
            in_batch = {name: a[row : row + 1] for name, a in together.items()}
            verdict = compare(in_batch, one, limits, [row])
            if not verdict.passed:
                return verdict, (
                    f"row {row} comes out differently in a batch of {size} than {alone_is}: "
                    f"{verdict.reason}; its result depends on the samples beside it"
                )
            if worst is None or verdict.used_share >= worst.used_share:
                worst = verdict
    return worst, None


def _spread(size: int) -> list[int]:
    return sorted({int(row) for row in np.linspace(0, size - 1, min(size, ROWS_ALONE))})


def _runs(runtime: Runtime, golden: Golden, size: int) -> bool:
    try:
        outputs = infer(runtime, golden.at_batch(size).inputs)
    except SpinnEdgeError:
        return False
    return all(len(array) == size for array in outputs.values())
