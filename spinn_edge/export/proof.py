"""An exported file against eager, before it is written down as done."""

from __future__ import annotations

from collections.abc import Mapping

from spinn_edge.accuracy.golden_check import check_golden, rounding_of
from spinn_edge.accuracy.parity import against_eager
from spinn_edge.accuracy.verification import verification_batches
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import ExportError, InferenceError
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import PRECISIONS, ProofPoint
from spinn_edge.core.tensors import Array
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions


def prove(
    bundle: Bundle,
    runtime: str,
    golden: Golden,
    eager: Mapping[str, Array],
    precision: str = PRECISIONS[0],
) -> tuple[ProofPoint, ...]:
    """Run one format at batch 1, 2, 7 and the maximum and compare with eager float32.

    A graph can claim a dynamic batch and still hold a constant; only running it tells. Where a file
    serves fewer sizes (the profile of an engine), the proof keeps within them.

    ONNX Runtime's CPU provider computes a float16 file in float32 (see ``runtimes/ort/cpu.py``).
    That proves the rounding of the weights; what a GPU's float16 products add is proved where one
    runs the file.

    Args:
        bundle: the bundle being written.
        runtime: name of the runtime that runs the format.
        golden: inputs to run.
        eager: outputs of the eager form on the same inputs.
        precision: which of the bundle's files of the format.

    Raises:
        ExportError: an output differs by more than the precision's share of its channel's scale,
            or a batch size is refused.
    """
    reference = Golden(inputs=golden.inputs, outputs=eager)
    what = runtime if precision == PRECISIONS[0] else f"{runtime} in {precision}"
    points = []
    # Code in a version-compatible engine is what this process has just built.
    options = OpenOptions(precision=precision, trust_engine_code=True)
    backend = registry.open_backend(runtime, bundle, options)
    try:
        limits = against_eager(bundle.manifest.parity, rounding_of(precision, backend.facts))
        for batch in verification_batches(bundle.manifest, backend.facts):
            try:
                parity = check_golden(backend, reference, batch, limits)
            except InferenceError as exc:
                raise ExportError(
                    f"{what} was exported but does not run at batch {batch}: {exc}; "
                    "a size that depends on the batch became a constant in the graph"
                ) from exc
            if not parity.passed:
                raise ExportError(
                    f"{what} was exported but differs from eager at batch {batch}: "
                    f"{parity.reason}; nothing was written"
                )
            points.append(parity.as_proof(batch))
    finally:
        backend.close()
    return tuple(points)
