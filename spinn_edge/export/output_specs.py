"""What a model gives, read off what it gave; and that each sample is computed on its own."""

from __future__ import annotations

from spinn_edge.accuracy.parity import against_eager, compare
from spinn_edge.core.errors import ExportError
from spinn_edge.core.golden import Golden
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export.golden import References
from spinn_edge.export.reference import Reference
from spinn_edge.export.shapes import onnx_outputs
from spinn_edge.models.loading import LoadedModel

_SINGLE_SAMPLES = 16  # enough for a branch on a sign to show; onnx.reference is slow


def output_specs(
    loaded: LoadedModel, inputs: tuple[TensorSpec, ...], made: References, reference: Reference
) -> tuple[TensorSpec, ...]:
    """Read shapes off real outputs.

    Raises:
        ExportError: the model's output for a sample depends on the samples beside it.
    """
    names = onnx_outputs(loaded) if loaded.module is None else tuple(made.eager)
    fixed = inputs[0].shape[0]
    if fixed is None:
        _check_samples_apart(made, reference)
    return tuple(
        TensorSpec(name, (fixed, *made.eager[name].shape[1:]), made.eager[name].dtype)
        for name in names
    )


def _check_samples_apart(made: References, reference: Reference) -> None:
    """Refuse a model whose output for a sample depends on the samples beside it.

    The proofs compare with outputs of all golden samples at once, so they would not see it where
    tracing has frozen a Python branch that the first sample decided.
    """
    golden = Golden(inputs=made.golden.inputs, outputs=made.eager)
    limits = against_eager(made.limits)
    for batch, start in ((3, 0), *((1, row) for row in range(min(golden.rows, _SINGLE_SAMPLES)))):
        sample = golden.at_batch(batch, start=start)
        parity = compare(reference.eager(sample.inputs), sample.outputs, limits)
        if not parity.passed:
            raise ExportError(
                f"the model gives another output for {batch} samples than for the same among "
                f"{golden.rows}: {parity.reason}; each sample must be computed on its own, with "
                "the batch as first axis"
            )
