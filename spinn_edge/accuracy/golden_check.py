"""An open runtime against golden vectors at one batch size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from spinn_edge.accuracy.diagnosis import explain_difference
from spinn_edge.accuracy.hand_limits import shares_by_hand
from spinn_edge.accuracy.parity import LIMITS, Parity, against_reference, channel_scale, compare
from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.core.golden import GOLDEN_NAME, Golden
from spinn_edge.core.manifest import Manifest
from spinn_edge.core.tensors import Array
from spinn_edge.runtimes.base import Runtime, RuntimeFacts, infer

MOST_CALLS = 128
"""Calls in one check. Small batches are repeated over the golden samples, because a single sample
can hide a wrong weight; large samples must not make the check longer than the timing."""

ROWS_TO_EXPLAIN = 64
"""Golden samples that are run to find out what kind of fault it is."""


def golden_limits(manifest: Manifest, precision: str, facts: RuntimeFacts) -> dict[str, Array]:
    """Return each channel's limit against the golden outputs, for what really loaded.

    Args:
        manifest: says the channels' scale, and what was chosen by hand.
        precision: which of the bundle's files was opened.
        facts: of the open runtime.
    """
    return against_reference(
        manifest.parity, rounding_of(precision, facts), shares_by_hand(manifest, precision)
    )


def rounding_of(precision: str, facts: RuntimeFacts) -> str:
    """Return the precision whose limit an open runtime gets.

    One that may round to TF32 gets at least that of fp16, whatever its file holds: the factors of
    its products keep no more.

    Args:
        precision: which of the bundle's files was opened.
        facts: of the open runtime.

    Source: NVIDIA A100 Tensor Core GPU Architecture (2020): TF32 has the 10 bits of mantissa of
    fp16, and the 8 bits of exponent of fp32.
    """
    return "fp16" if facts.tf32 and LIMITS[precision] < LIMITS["fp16"] else precision


def check_golden(
    runtime: Runtime, golden: Golden, batch: int, limits: Mapping[str, Array]
) -> Parity:
    """Run the golden samples in calls of ``batch`` and compare each call's outputs.

    Args:
        runtime: an open runtime.
        golden: inputs and the outputs to compare with, shape (rows, ...).
        batch: samples in one call; the samples repeat where the batch is larger.
        limits: by output name, largest allowed absolute difference a channel.

    Returns:
        The first verdict that failed, with what kind of fault it is where that can be told; else
        the one with the least margin.

    Raises:
        InferenceError: the runtime refused or failed.
    """
    calls = min(-(-golden.rows // batch), MOST_CALLS)
    verdicts: list[Parity] = []
    for call in range(calls):
        sample = golden.at_batch(batch, start=call * batch)
        rows = [(call * batch + row) % golden.rows for row in range(batch)]
        verdicts.append(compare(infer(runtime, sample.inputs), sample.outputs, limits, rows))
        if not verdicts[-1].passed:
            return _explained(verdicts[-1], runtime, golden, batch, limits)
    return max(verdicts, key=lambda verdict: verdict.used_share)


def stale_golden(manifest: Manifest, golden: Golden) -> str | None:
    """Say why golden vectors cannot be those that the manifest's limits were derived from.

    The scale of every channel is written down beside its limit; here it is taken again.

    Args:
        manifest: says the scale.
        golden: what lies in the bundle.

    Returns:
        The reason, or None where they fit.
    """
    words = "they are of another model or another export: export the model again"
    if sorted(golden.outputs) != sorted(manifest.parity):
        return (
            f"{GOLDEN_NAME} is stale: it holds outputs {sorted(golden.outputs)}, the manifest "
            f"has limits for {sorted(manifest.parity)}; {words}"
        )
    for name, limit in manifest.parity.items():
        outputs = golden.outputs[name]
        if not np.isfinite(outputs).all():
            continue  # compare() says so
        found, written = channel_scale(outputs), np.asarray(limit.scale)
        if found.shape != written.shape:
            return (
                f"{GOLDEN_NAME} is stale: output '{name}' has {len(found)} channels in it and "
                f"{len(written)} in the manifest; {words}"
            )
        differs = ~np.isclose(found, written, rtol=1e-9, atol=0)
        if differs.any():
            channel = int(np.argmax(differs))
            return (
                f"{GOLDEN_NAME} is stale: the largest magnitude of output '{name}' channel "
                f"{channel} is {found[channel]:.6g} in it and {written[channel]:.6g} in the "
                f"manifest; {words}"
            )
    return None


def check_reference(
    manifest: Manifest,
    golden: Golden,
    exact: Callable[[Mapping[str, Array]], Mapping[str, Array]],
) -> str | None:
    """Say how golden outputs differ from what the bundle's own model gives in float64.

    Args:
        manifest: says the channels' limits.
        golden: what lies in the bundle.
        exact: the model in float64.

    Returns:
        The reason, or None where they agree.

    Raises:
        ExportError: the model fails on the golden inputs.
    """
    limits = {name: np.asarray(limit.tolerance) for name, limit in manifest.parity.items()}
    verdict = compare(exact(golden.inputs), golden.outputs, limits)
    if verdict.passed:
        return None
    return (
        f"{GOLDEN_NAME} is stale: the bundle's own model in float64 gives other outputs "
        f"({verdict.reason}); one of the two is of another model: export the model again"
    )


def _explained(
    verdict: Parity, runtime: Runtime, golden: Golden, batch: int, limits: Mapping[str, Array]
) -> Parity:
    """Add to a verdict what kind of fault it is, as told by more samples."""
    if verdict.max_abs is None:
        return verdict
    rows = min(golden.rows, ROWS_TO_EXPLAIN)
    parts: list[dict[str, Array]] = []
    try:
        for start in range(0, rows, batch):
            parts.append(infer(runtime, golden.at_batch(batch, start=start).inputs))
    except SpinnEdgeError:  # the verdict that is there says more than this one would
        return verdict
    outputs = {name: np.concatenate([part[name] for part in parts])[:rows] for name in parts[0]}
    words = explain_difference(outputs, golden.at_batch(rows).outputs, limits)
    return replace(verdict, reason=f"{verdict.reason}; {words}") if words else verdict
