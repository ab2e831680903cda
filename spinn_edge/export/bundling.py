"""From a model in memory to a bundle on disk, every format proved."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spinn_edge import __version__
from spinn_edge.accuracy.parity import against_eager, compare
from spinn_edge.core.bundle import Bundle, describe_file, finish, staged_folder
from spinn_edge.core.errors import ExportError, UsageError
from spinn_edge.core.golden import GOLDEN_NAME, Golden
from spinn_edge.core.manifest import (
    SCHEMA_VERSION,
    FileEntry,
    Manifest,
    PruningAudit,
    Training,
)
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array, TensorSpec
from spinn_edge.export import registry
from spinn_edge.export.golden import (
    GoldenInputs,
    GoldenMaker,
    References,
    golden_rows,
    make_references,
    random_inputs,
)
from spinn_edge.export.proof import prove
from spinn_edge.export.reference import Reference, copy_onnx, module_reference, onnx_reference
from spinn_edge.export.registry import ExporterEntry, ExportJob
from spinn_edge.export.shapes import input_specs, onnx_outputs
from spinn_edge.models.loading import LoadedModel

if TYPE_CHECKING:
    from torch import nn

WEIGHTS_NAME = "model.safetensors"
_SINGLE_SAMPLES = 16  # enough for a branch on a sign to show; onnx.reference is slow
SUFFIXES = {"torchscript": "ts", "pt2": "pt2", "onnx": "onnx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to write.

    Attributes:
        formats: names from the exporter registry; none writes weights and golden vectors only.
        max_batch: largest batch that every format must serve; None keeps that of the bundle which
            is exported again, and is 1024 otherwise.
        input_shapes: model inputs, where the model does not say them itself.
        compute_capabilities: GPUs to build engines for; None means the exporter's default.
    """

    formats: tuple[str, ...] = ()
    max_batch: int | None = None
    input_shapes: tuple[TensorSpec, ...] = ()
    compute_capabilities: tuple[str, ...] | None = None


def write_bundle(
    loaded: LoadedModel,
    out: Path,
    request: ExportRequest,
    *,
    golden: GoldenMaker | None = None,
    training: Training | None = None,
    pruning: PruningAudit | None = None,
    force: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
) -> Bundle:
    """Write a model in every format asked for; a format that is not proved stops the whole.

    Args:
        loaded: the model. What its bundle knows (inputs, golden inputs, training, pruning) is
            carried over unless given anew.
        out: folder to write.
        request: formats and sizes.
        golden: makes golden inputs from specs and a number of rows.
        training: how the weights came to be.
        pruning: what was removed.
        force: replace a bundle at ``out``.
        on_step: called with a few words before each step.

    Returns:
        The bundle, read back from disk.

    Raises:
        UsageError: unknown format, or the model's inputs are not known.
        ExportError: a format could not be written, or its proof failed; nothing is left behind.
        BundleError: ``out`` exists or cannot be written.
    """
    exporters = registry.in_order(request.formats)
    inputs = input_specs(loaded, request.input_shapes)
    max_batch = _max_batch(loaded, request, inputs)
    old = loaded.bundle.manifest if loaded.bundle else None
    with staged_folder(out, force=force) as folder:
        on_step("golden vectors")
        reference = _reference(loaded)
        chosen = _golden_inputs(loaded, golden, inputs, golden_rows(inputs, max_batch))
        made = make_references(chosen, reference)
        made.golden.save(folder / GOLDEN_NAME)
        files = [describe_file(folder, GOLDEN_NAME, "golden")]
        files += _write_source(loaded, folder)
        parameters, nonzero = _count_parameters(loaded)
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            created_by=f"spinn-edge {__version__}",
            architecture=loaded.architecture,
            inputs=inputs,
            outputs=_output_specs(loaded, inputs, made, reference),
            max_batch=max_batch,
            parameters=parameters,
            nonzero_parameters=nonzero,
            flops_per_sample=_count_flops(loaded.module, made.golden.inputs),
            golden_source=made.source,
            parity=made.limits,
            files=tuple(files),
            training=training or (old.training if old else None),
            pruning=pruning or (old.pruning if old else None),
        )
        if loaded.format:
            manifest = _proved(Bundle(root=folder, manifest=manifest), loaded.format, made)
        for name, exporter in exporters.items():
            if name != loaded.format:
                on_step(f"{name}: write and prove")
                manifest = _export(loaded, folder, manifest, name, exporter, made, request)
        finish(folder, manifest)
    return Bundle.load(Path(out))


def _export(
    loaded: LoadedModel,
    folder: Path,
    manifest: Manifest,
    name: str,
    exporter: ExporterEntry,
    made: References,
    request: ExportRequest,
) -> Manifest:
    """Write one format, add it to the manifest, prove it there."""
    job = ExportJob(
        module=loaded.module,
        sample=made.golden.at_batch(2).inputs,
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        max_batch=manifest.max_batch,
        folder=folder,
        files={entry.format: folder / entry.path for entry in manifest.files},
        compute_capabilities=request.compute_capabilities,
    )
    written = registry.load(exporter)(job)
    bundle = Bundle(root=folder, manifest=replace(manifest, files=(*manifest.files, *written)))
    return _proved(bundle, name, made)


def _proved(bundle: Bundle, name: str, made: References) -> Manifest:
    """Return the manifest with proofs at the files of one format, where they can run here."""
    runtime = registry.entries()[name].runtime
    entries = bundle.manifest.files_of(name)
    if all(entry.unproved is not None for entry in entries):
        return bundle.manifest
    points = prove(bundle, runtime, made.golden, made.eager)
    files = tuple(
        replace(entry, proof=points) if entry in entries and entry.unproved is None else entry
        for entry in bundle.manifest.files
    )
    return replace(bundle.manifest, files=files)


def _write_source(loaded: LoadedModel, folder: Path) -> list[FileEntry]:
    """Write the form that the model was given in: its weights, or the foreign file itself."""
    if loaded.file is not None:
        name = f"model.{SUFFIXES[loaded.format]}"
        copy = copy_onnx if loaded.format == "onnx" else shutil.copyfile
        copy(loaded.file, folder / name)
        return [describe_file(folder, name, loaded.format)]
    if loaded.architecture.kind == "file" or loaded.module is None:
        return []  # a module that came out of a pickle: only its exports can be kept
    save = require("safetensors.torch", extra="export").save
    state = loaded.module.state_dict()
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in state.items()}
    (folder / WEIGHTS_NAME).write_bytes(save(tensors))
    return [describe_file(folder, WEIGHTS_NAME, "weights")]


def _max_batch(loaded: LoadedModel, request: ExportRequest, inputs: tuple[TensorSpec, ...]) -> int:
    if (fixed := inputs[0].shape[0]) is not None:
        if request.max_batch not in (None, fixed):
            raise UsageError(
                f"'{loaded.origin}' has a fixed batch of {fixed}; --max-batch {request.max_batch} "
                "needs a model with a dynamic batch axis"
            )
        return fixed
    if request.max_batch is not None:
        if request.max_batch < 1:
            raise UsageError(f"--max-batch must be at least 1, got {request.max_batch}")
        return request.max_batch
    return loaded.bundle.manifest.max_batch if loaded.bundle else 1024


def _reference(loaded: LoadedModel) -> Reference:
    if loaded.module is not None:
        return module_reference(loaded.module)
    assert loaded.file is not None
    return onnx_reference(loaded.file)


def _golden_inputs(
    loaded: LoadedModel,
    golden: GoldenMaker | None,
    inputs: tuple[TensorSpec, ...],
    rows: int,
) -> GoldenInputs:
    if golden is not None:
        return golden(inputs, rows)
    if loaded.bundle is not None:
        source = loaded.bundle.manifest.golden_source
        return GoldenInputs(arrays=loaded.bundle.golden().inputs, source=source)
    return random_inputs(inputs, rows)


def _output_specs(
    loaded: LoadedModel, inputs: tuple[TensorSpec, ...], made: References, reference: Reference
) -> tuple[TensorSpec, ...]:
    """Read shapes off real outputs."""
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


def _count_parameters(loaded: LoadedModel) -> tuple[int | None, int | None]:
    if loaded.module is not None:
        tensors: Sequence[Array] = [p.detach().cpu().numpy() for p in loaded.module.parameters()]
    else:
        from onnx import numpy_helper

        from spinn_edge.export.reference import load_onnx

        assert loaded.file is not None
        weights = load_onnx(loaded.file).graph.initializer
        tensors = [a for a in map(numpy_helper.to_array, weights) if a.dtype.kind == "f"]
    return (sum(int(a.size) for a in tensors), sum(int(np.count_nonzero(a)) for a in tensors))


def _count_flops(module: nn.Module | None, inputs: Any) -> int | None:
    """Count the matrix products and convolutions of one sample; None for ONNX."""
    if module is None:
        return None
    torch = require("torch", extra="export")
    counter = require("torch.utils.flop_counter", extra="export").FlopCounterMode(display=False)
    sample = [torch.from_numpy(np.ascontiguousarray(array[:1])) for array in inputs.values()]
    with warnings.catch_warnings(), torch.no_grad(), counter:
        warnings.simplefilter("ignore")  # the counter warns of modules that it cannot name
        module(*sample)
    return int(counter.get_total_flops())
