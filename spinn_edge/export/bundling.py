"""From a model in memory to a bundle on disk, every format proved."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from spinn_edge import __version__
from spinn_edge.accuracy.hand_limits import with_tolerances
from spinn_edge.accuracy.precision.onnx_types import count_onnx
from spinn_edge.accuracy.search.worst_input import AT_EXPORT, SearchRequest, cost_of
from spinn_edge.core.adaptation_record import AdaptationRecord
from spinn_edge.core.bundle import Bundle, describe_file, finish, staged_folder
from spinn_edge.core.golden import GOLDEN_NAME
from spinn_edge.core.manifest import PRECISIONS, SCHEMA_VERSION, FileEntry, Manifest, Training
from spinn_edge.core.optional import require
from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.core.steps import OnStep, unheard
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export import registry
from spinn_edge.export.batches import largest_batch
from spinn_edge.export.bundle_reference import reference_of
from spinn_edge.export.derivatives import original_network
from spinn_edge.export.golden import (
    GoldenInputs,
    GoldenMaker,
    References,
    golden_rows,
    make_references,
    random_inputs,
)
from spinn_edge.export.lower_precision import LowerPrecision, prepare_lower_precision
from spinn_edge.export.output_specs import output_specs
from spinn_edge.export.proof import prove
from spinn_edge.export.quantization import Quantization
from spinn_edge.export.reference import copy_onnx
from spinn_edge.export.registry import ExportJob, ExportStep
from spinn_edge.export.shapes import input_specs
from spinn_edge.export.task_loss import ScoredRows, task_details
from spinn_edge.models.counting import count_flops, count_parameters
from spinn_edge.models.loading import LoadedModel
from spinn_edge.runtimes.trt.cache import EngineCache
from spinn_edge.runtimes.trt.recipe import EngineOptions

WEIGHTS_NAME = "model.safetensors"
SUFFIXES = {"torchscript": "ts", "pt2": "pt2", "onnx": "onnx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to write.

    Attributes:
        formats: names from the exporter registry; none writes weights and golden vectors only.
        only: pairs of format and precision, the only ones of all those to write; empty for all.
        precisions: what the files shall compute in, as far as a format has it.
        max_batch: largest batch that every format must serve; None keeps that of the bundle which
            is exported again, and is 1024 otherwise.
        input_shapes: model inputs, where the model does not say them itself.
        compute_capabilities: GPUs to build engines for; None means the exporter's default.
        engine: how engines are built.
        tolerances: shares of the outputs' scale, chosen by hand, that take the default's place; see
            :class:`spinn_edge.core.manifest.Manifest`.
        quantization: how int8 is written.
        scored: rows with measured targets, of which no file may lose much; None for none.
    """

    formats: tuple[str, ...] = ()
    only: tuple[tuple[str, str], ...] = ()
    precisions: tuple[str, ...] = PRECISIONS[:1]
    max_batch: int | None = None
    input_shapes: tuple[TensorSpec, ...] = ()
    compute_capabilities: tuple[str, ...] | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)
    tolerances: Mapping[str, float] = field(default_factory=dict)
    quantization: Quantization = field(default_factory=Quantization)
    scored: ScoredRows | None = None


def write_bundle(
    loaded: LoadedModel,
    out: Path,
    request: ExportRequest,
    *,
    golden: GoldenMaker | None = None,
    training: Training | None = None,
    pruning: PruningAudit | None = None,
    adaptation: AdaptationRecord | None = None,
    force: bool = False,
    on_step: OnStep = unheard,
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
        adaptation: how it followed a stream of rows.
        force: replace a bundle at ``out``.
        on_step: called before each step with what it is, how many have ended, and how many
            there are: one for each file, and one for the golden vectors before them.

    Returns:
        The bundle, read back from disk.

    Raises:
        UsageError: unknown format or precision, the model's inputs are not known, the batches of
            the engines are not in order, or a tolerance is for an output that is not there.
        ExportError: a format could not be written, or its proof failed; nothing is left behind.
        BundleError: ``out`` exists or cannot be written.
    """
    steps = [
        step
        for step in registry.in_order(request.formats, request.precisions)
        if not request.only or (step.format, step.precision) in request.only
    ]
    if loaded.file is not None:  # the file that was given is not written again
        given = loaded.format, PRECISIONS[0]
        steps = [step for step in steps if (step.format, step.precision) != given]
    inputs = input_specs(loaded, request.input_shapes)
    max_batch = largest_batch(loaded, inputs, request.max_batch, request.engine)
    request.engine.batches(max_batch)  # refused now rather than after everything else is written
    old = loaded.bundle.manifest if loaded.bundle else None
    with staged_folder(out, force=force) as folder:
        on_step("golden vectors", 0, len(steps) + 1)
        reference = reference_of(loaded)
        chosen = _golden_inputs(loaded, golden, inputs, golden_rows(inputs, max_batch))
        made = make_references(chosen, reference)
        made.golden.save(folder / GOLDEN_NAME)
        lower = prepare_lower_precision(
            request.precisions,
            lambda rows: _golden_inputs(loaded, golden, inputs, rows),
            made,
            inputs,
            reference,
            request.scored,
        )
        files = [describe_file(folder, GOLDEN_NAME, "golden")]
        files += _write_source(loaded, folder)
        parameters, nonzero = count_parameters(loaded)
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            created_by=f"spinn-edge {__version__}",
            architecture=loaded.architecture,
            inputs=inputs,
            outputs=output_specs(loaded, inputs, made, reference),
            max_batch=max_batch,
            parameters=parameters,
            nonzero_parameters=nonzero,
            flops_per_sample=count_flops(loaded.module, made.golden.inputs),
            golden_source=made.source,
            parity=made.limits,
            files=tuple(files),
            training=training or (old.training if old else None),
            pruning=pruning or (old.pruning if old else None),
            adaptation=adaptation or (old.adaptation if old else None),
        )
        manifest = with_tolerances(manifest, request.tolerances)
        if loaded.format:
            manifest = _proved(
                Bundle(root=folder, manifest=manifest), loaded.format, PRECISIONS[0], made, lower
            )
        for number, step in enumerate(steps, start=1):
            if not manifest.files_of(step.format, step.precision):
                on_step(f"{step.name}: write and prove", number, len(steps) + 1)
                manifest = _export(loaded, folder, Path(out), manifest, step, made, lower, request)
        finish(folder, manifest)
    return Bundle.load(Path(out))


def _export(
    loaded: LoadedModel,
    folder: Path,
    out: Path,
    manifest: Manifest,
    step: ExportStep,
    made: References,
    lower: LowerPrecision,
    request: ExportRequest,
) -> Manifest:
    """Write one format in one precision, add it to the manifest, prove it there."""
    job = ExportJob(
        module=loaded.module,
        sample=made.golden.at_batch(2).inputs,
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        max_batch=manifest.max_batch,
        folder=folder,
        out=out,
        files={(entry.format, entry.precision): folder / entry.path for entry in manifest.files},
        precision=step.precision,
        compute_capabilities=request.compute_capabilities,
        engine=request.engine,
        golden=lower.calibration,
        golden_source=lower.source,
        score=lower.score,
        quantization=request.quantization,
    )
    written = registry.load(step.entry)(job)
    bundle = Bundle(root=folder, manifest=replace(manifest, files=(*manifest.files, *written)))
    return _proved(bundle, step.format, step.precision, made, lower)


def _proved(
    bundle: Bundle, name: str, precision: str, made: References, lower: LowerPrecision
) -> Manifest:
    """Return the manifest with proofs at the files of one format, where they can run here."""
    runtime = registry.entries()[name].runtime
    entries = bundle.manifest.files_of(name, precision)
    if all(entry.unproved is not None for entry in entries):
        return bundle.manifest
    try:
        proof = prove(
            bundle, runtime, made.golden, made.eager, precision, _search(made, bundle.manifest)
        )
        task = task_details(bundle, runtime, precision, lower.score)
    finally:  # what a runtime keeps beside a bundle has no use beside one that will be renamed
        shutil.rmtree(EngineCache(bundle.root).folder, ignore_errors=True)
    files = tuple(
        replace(
            entry,
            proof=proof.points,
            batch_proof=proof.batch,
            search=proof.search,
            details={**entry.details, **task},
        )
        if entry in entries and entry.unproved is None
        else entry
        for entry in bundle.manifest.files
    )
    return replace(bundle.manifest, files=files)


def _search(made: References, manifest: Manifest) -> SearchRequest:
    return SearchRequest(
        exact=made.reference.exact,
        eager=made.reference.eager,
        plan=AT_EXPORT.for_model(cost_of(manifest)),
    )


def _write_source(loaded: LoadedModel, folder: Path) -> list[FileEntry]:
    """Write the form that the model was given in: its weights, or the foreign file itself."""
    if loaded.file is not None:
        name = f"model.{SUFFIXES[loaded.format]}"
        copy = copy_onnx if loaded.format == "onnx" else shutil.copyfile
        copy(loaded.file, folder / name)
        details = count_onnx(folder / name).details() if loaded.format == "onnx" else {}
        return [describe_file(folder, name, loaded.format, details=details)]
    if loaded.architecture.kind == "file" or loaded.module is None:
        return []  # a module that came out of a pickle: only its exports can be kept
    save = require("safetensors.torch", extra="export").save
    state = original_network(loaded.module).state_dict()
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in state.items()}
    (folder / WEIGHTS_NAME).write_bytes(save(tensors))
    return [describe_file(folder, WEIGHTS_NAME, "weights")]


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
