"""What one inference does at least: FLOPs, and bytes that must move."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spinn_edge.bench.result import BundleFacts
from spinn_edge.core.manifest import PRECISIONS, Manifest

EVERY_LAYER, ENDS, WEIGHTS_ONLY = "every layer", "inputs and outputs", "weights only"
"""Of which activations the bytes were counted."""

_FLOAT32_BYTES = 4
_BYTES = dict(zip(PRECISIONS, (_FLOAT32_BYTES, 2, 1), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one inference does at least, each byte moved once.

    Attributes:
        flops: of matrix products and convolutions; activation functions are not counted.
        bytes_moved: weights, and activations into and out of each layer.
        counted: which activations are in it: ``EVERY_LAYER``, ``ENDS`` or ``WEIGHTS_ONLY``.
    """

    flops: float
    bytes_moved: float
    counted: str


def work_of(
    facts: BundleFacts, batch: int, precision: str, manifest: Manifest | None = None
) -> Work | None:
    """Count what one inference does at least.

    Weights and activations between layers are of the precision, inputs and outputs float32; an int8
    file keeps some of them larger, which makes the bytes too few. Without
    an MLP's widths, activations between layers are not counted, and without a manifest nor are
    inputs and outputs: bytes are then too few, never too many.

    Args:
        facts: of the bundle.
        batch: samples in one inference.
        precision: of the file.
        manifest: of the bundle; only read where the widths are unknown.

    Returns:
        None where FLOPs or parameters are not known.
    """
    if not facts.flops_per_sample or not facts.parameters:
        return None
    size = _BYTES[precision]
    weights = facts.parameters * size
    if facts.widths:
        first, *hidden, last = facts.widths
        # a layer writes what the next one reads: twice
        moved = batch * (_FLOAT32_BYTES * (first + last) + size * 2 * sum(hidden))
        counted = EVERY_LAYER
    else:
        ends = _end_bytes(manifest, batch) if manifest else None
        moved, counted = (0, WEIGHTS_ONLY) if ends is None else (ends, ENDS)
    return Work(flops=facts.flops_per_sample * batch, bytes_moved=weights + moved, counted=counted)


def _end_bytes(manifest: Manifest, batch: int) -> int | None:
    """Return the bytes of inputs and outputs; None where a size is not known."""
    total = 0
    for spec in (*manifest.inputs, *manifest.outputs):
        shape = spec.at_batch(batch)
        if shape is None:
            return None
        total += math.prod(shape) * spec.dtype.itemsize
    return total
