"""An open runtime against golden vectors at one batch size."""

from __future__ import annotations

from collections.abc import Mapping

from spinn_edge.accuracy.parity import Parity, against_reference, compare
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import Manifest
from spinn_edge.core.tensors import Array
from spinn_edge.runtimes.base import Runtime, RuntimeFacts, infer

MOST_CALLS = 128
"""Calls in one check. Small batches are repeated over the golden samples, because a single sample
can hide a wrong weight; large samples must not make the check longer than the timing."""


def golden_limits(manifest: Manifest, precision: str, facts: RuntimeFacts) -> dict[str, Array]:
    """Return each channel's limit against the golden outputs, for what really loaded.

    Args:
        manifest: says the channels' scale.
        precision: which of the bundle's files was opened.
        facts: of the open runtime.
    """
    return against_reference(manifest.parity, rounding_of(precision, facts))


def rounding_of(precision: str, facts: RuntimeFacts) -> str:
    """Return the precision whose limit an open runtime gets.

    One that may round to TF32 gets that of fp16, whatever its file holds: the factors of its
    products keep no more.

    Args:
        precision: which of the bundle's files was opened.
        facts: of the open runtime.

    Source: NVIDIA A100 Tensor Core GPU Architecture (2020): TF32 has the 10 bits of mantissa of
    fp16, and the 8 bits of exponent of fp32.
    """
    return "fp16" if facts.tf32 else precision


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
        The first verdict that failed, else the one with the least margin.

    Raises:
        InferenceError: the runtime refused or failed.
    """
    calls = min(-(-golden.rows // batch), MOST_CALLS)
    verdicts: list[Parity] = []
    for call in range(calls):
        sample = golden.at_batch(batch, start=call * batch)
        verdicts.append(compare(infer(runtime, sample.inputs), sample.outputs, limits))
        if not verdicts[-1].passed:
            return verdicts[-1]
    return max(verdicts, key=lambda verdict: verdict.used_share)
