"""An exported file against eager, before it is written down as done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from spinn_edge.accuracy.batch_proof import describe_served, prove_batches
from spinn_edge.accuracy.golden_check import check_golden, rounding_of
from spinn_edge.accuracy.hand_limits import shares_by_hand
from spinn_edge.accuracy.parity import against_eager
from spinn_edge.accuracy.runtime_check import search_batch, verification_batches
from spinn_edge.accuracy.search.worst_input import SearchRequest, search_shares, search_worst
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import ExportError, InferenceError
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import PRECISIONS, ProofPoint
from spinn_edge.core.proofs import BatchProof, SearchProof
from spinn_edge.core.tensors import Array
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions

SEARCHED = ("fp32", "fp16")
"""Precisions whose files are refused for a bad input beyond the golden ones. An int8 file is
calibrated for the data; what it does in the corners of its range is for ``verify --search``."""

MOST_KEPT = 64
"""Numbers of a worst input that a manifest holds; ``verify --search --json`` gives longer ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was proved of one file; see :class:`spinn_edge.core.manifest.FileEntry`."""

    points: tuple[ProofPoint, ...]
    batch: BatchProof
    search: SearchProof | None


def prove(
    bundle: Bundle,
    runtime: str,
    golden: Golden,
    eager: Mapping[str, Array],
    precision: str = PRECISIONS[0],
    search: SearchRequest | None = None,
) -> Proof:
    """Run one format at batch 1, 2, 7 and the maximum and compare with eager float32.

    A graph can claim a dynamic batch and still hold a constant; only running it tells. Where a file
    serves fewer sizes (the profile of an engine), the proof keeps within them, and one sample more
    must be refused. Then rows are compared in batches and alone, and inputs beyond the golden ones
    are searched for one that fails.

    ONNX Runtime's CPU provider computes a float16 file in float32 (see ``runtimes/ort/cpu.py``).
    That proves the rounding of the weights; what a GPU's float16 products add is proved where one
    runs the file.

    Args:
        bundle: the bundle being written.
        runtime: name of the runtime that runs the format.
        golden: inputs to run, with float64 outputs.
        eager: outputs of the eager form on the same inputs.
        precision: which of the bundle's files of the format.
        search: the reference for inputs that are not golden; None looks for none.

    Raises:
        ExportError: an output differs by more than the precision's share of its channel's scale,
            a batch size is refused, or a row depends on the rows beside it.
    """
    manifest = bundle.manifest
    reference = Golden(inputs=golden.inputs, outputs=eager)
    what = runtime if precision == PRECISIONS[0] else f"{runtime} in {precision}"
    points = []
    # Code in a version-compatible engine is what this process has just built.
    options = OpenOptions(precision=precision, trust_engine_code=True)
    backend = registry.open_backend(runtime, bundle, options)
    try:
        rounding = rounding_of(precision, backend.facts)
        by_hand = shares_by_hand(manifest, precision)
        limits = against_eager(manifest.parity, rounding, by_hand)
        sizes = verification_batches(manifest, backend.facts)
        for batch in sizes:
            try:
                parity = check_golden(backend, reference, batch, limits)
            except InferenceError as exc:
                served = describe_served(backend, reference, manifest)
                raise ExportError(
                    f"{what} was exported but does not run at batch {batch}: {exc}; "
                    + (f"{served}: " if served else "")
                    + "a size that depends on the batch became a constant in the graph"
                ) from exc
            if not parity.passed:
                raise ExportError(
                    f"{what} was exported but differs from eager at batch {batch}: "
                    f"{parity.reason}; nothing was written"
                )
            points.append(parity.as_proof(batch))
        proof = prove_batches(backend, reference, limits, limits, manifest, sizes)
        if not proof.passed:
            raise ExportError(f"{what} was exported but {proof.reason}; nothing was written")
        found = None
        if search is not None and precision in SEARCHED:
            shares = search_shares(manifest.parity, rounding, by_hand)
            batch = search_batch(sizes)
            found = search_worst(backend, search, golden, manifest.parity, shares, batch)
            if not found.passed:
                raise ExportError(
                    f"{what} was exported but differs from float64 beyond the golden inputs: "
                    f"{found.reason}; nothing was written"
                )
            if sum(np.size(values) for values in found.sample.values()) > MOST_KEPT:
                found = replace(found, sample={})
    finally:
        backend.close()
    return Proof(points=tuple(points), batch=proof, search=found)
