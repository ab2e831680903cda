"""How far a form is from its reference at samples of the data's range, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from spinn_edge.core.manifest import OutputTolerance
from spinn_edge.core.tensors import Array
from spinn_edge.runtimes.base import Runtime, infer

Evaluate = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class SampleScores:
    """What some samples gave, one entry a sample.

    Attributes:
        used: share of the tolerance that was used; -1 where the model itself gives NaN or Inf.
        output: name of the output with the least margin.
        channel: its channel.
        max_abs: absolute difference there, output units; Inf where the form gives NaN or Inf.
        limit: what was allowed there, output units.
    """

    used: Array
    output: list[str]
    channel: Array
    max_abs: Array
    limit: Array


def score_samples(
    runtime: Runtime,
    exact_of: Evaluate,
    eager_of: Evaluate,
    inputs: Mapping[str, Array],
    tolerances: Mapping[str, OutputTolerance],
    shares: Mapping[str, Array],
    batch: int,
) -> SampleScores:
    """Run a form and compare each sample with the reference, each by its own limit.

    Args:
        runtime: an open runtime.
        exact_of: the model in float64.
        eager_of: the model in float32.
        inputs: by name, shape (rows, ...).
        tolerances: of the manifest: scale and error of eager on the golden inputs.
        shares: by output, what the form may differ by, a share of a channel's scale.
        batch: samples in one call.

    Raises:
        InferenceError: the runtime refused or failed.
        ExportError: the reference failed.
    """
    exact, eager = exact_of(inputs), eager_of(inputs)
    got = _run(runtime, inputs, batch)
    rows = len(next(iter(inputs.values())))
    used, max_abs, limit = np.full(rows, -1.0), np.zeros(rows), np.ones(rows)
    output, channel = [next(iter(exact))] * rows, np.zeros(rows, int)
    defined = np.ones(rows, bool)
    for name, reference in exact.items():
        for values in (reference, eager[name]):
            defined &= np.isfinite(values.reshape(rows, -1)).all(axis=1)
    for name, reference in exact.items():
        known = tolerances[name]
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            wide = np.asarray(reference, np.float64)
            difference = _by_sample(np.asarray(got[name], np.float64) - wide)
            own_error = _by_sample(np.asarray(eager[name], np.float64) - wide)
            scale = np.maximum(np.asarray(known.scale), _by_sample(wide))
            allowed = shares[name] * scale + np.maximum(np.asarray(known.eager_error), own_error)
            share = np.where(difference > 0, difference / allowed, 0.0)
        share = np.where(np.isnan(difference), np.inf, share)
        difference = np.where(np.isnan(difference), np.inf, difference)
        at = share.argmax(axis=1)
        row = np.arange(rows)
        worse = defined & (share[row, at] > used)
        used[worse] = share[row, at][worse]
        max_abs[worse], limit[worse] = difference[row, at][worse], allowed[row, at][worse]
        channel[worse] = at[worse]
        output = [name if new else old for new, old in zip(worse, output, strict=True)]
    return SampleScores(used, output, channel, max_abs, limit)


def _by_sample(values: Array) -> Array:
    """Return the largest magnitude of each channel of each sample, shape (rows, channels)."""
    magnitude = np.abs(values)
    if magnitude.ndim == 1:
        return np.asarray(magnitude[:, None])
    return np.asarray(magnitude.reshape(*magnitude.shape[:2], -1).max(axis=2))


def _run(runtime: Runtime, inputs: Mapping[str, Array], batch: int) -> dict[str, Array]:
    """Run all samples in calls of one size, the last one filled up."""
    rows = len(next(iter(inputs.values())))
    parts: list[dict[str, Array]] = []
    for start in range(0, rows, batch):
        index = np.minimum(np.arange(start, start + batch), rows - 1)
        feeds = {name: np.ascontiguousarray(array[index]) for name, array in inputs.items()}
        parts.append(infer(runtime, feeds))
    return {name: np.concatenate([part[name] for part in parts])[:rows] for name in parts[0]}
