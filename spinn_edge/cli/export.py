"""``spinn-edge export``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.export.bundling import ExportRequest
    from spinn_edge.export.golden import GoldenMaker
    from spinn_edge.export.task_loss import ScoredRows
    from spinn_edge.models.loading import LoadedModel


def export(
    model: o.Model,
    out: o.Out,
    formats: Annotated[
        str, typer.Option("--format", help="torchscript, pt2, onnx, trt; separated by commas.")
    ] = "torchscript,pt2,onnx",
    precision: Annotated[
        str,
        typer.Option(
            help="What the files compute in: fp32, fp16, int8 (onnx and trt), or several with "
            "commas; inputs and outputs stay float32."
        ),
    ] = "fp32",
    int8: Annotated[
        str | None,
        typer.Option(
            "--int8",
            metavar="FORM",
            help="static: ranges of activations from the golden inputs; dynamic: from each "
            "inference (not for trt); weight-only: activations stay float. Else static.",
            show_default=False,
        ),
    ] = None,
    input_shape: o.InputShape = None,
    activation: o.Activation = None,
    weights: o.Weights = None,
    max_batch: Annotated[
        int | None, typer.Option(help="Largest batch; 1024 where the model's bundle says nothing.")
    ] = None,
    compute_capability: Annotated[
        str | None,
        typer.Option(help="GPUs to build engines for, such as SM86,SM120.", show_default=False),
    ] = None,
    min_batch: Annotated[int, typer.Option(help="Smallest batch that engines accept.")] = 1,
    opt_batch: Annotated[
        int | None,
        typer.Option(help="Batch that engines are tuned for; else 32, or --max-batch if smaller."),
    ] = None,
    workspace_mib: Annotated[
        int | None,
        typer.Option(help="Scratch memory of an engine's layers, MiB; else TensorRT's default."),
    ] = None,
    builder_level: Annotated[
        int | None,
        typer.Option(help="0 (fast build) to 5 (long search); else TensorRT's default."),
    ] = None,
    tf32: Annotated[
        bool, typer.Option("--tf32", help="Let engines round factors of products to TF32.")
    ] = False,
    hardware_compatible: Annotated[
        bool,
        typer.Option(
            "--hardware-compatible", help="One engine for Ampere and newer; package tensorrt only."
        ),
    ] = False,
    version_compatible: Annotated[
        bool,
        typer.Option(
            "--version-compatible",
            help="An engine for later releases too, with code inside; package tensorrt only.",
        ),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="CSV with real inputs to prove with and calibrate int8 on; else the bundle's own, "
            "or noise. With target columns too, fp16 and int8 are scored on it."
        ),
    ] = None,
    test: o.Test = None,
    features: o.Features = None,
    derivatives: Annotated[
        str | None,
        typer.Option(
            metavar="OUTPUT:INPUT[:INPUT],…",
            help="Give these derivatives too, as further outputs: tool_wear:time,"
            "tool_wear:time:time; columns by name, or as output.0 and input.3.",
            show_default=False,
        ),
    ] = None,
    tolerance: o.Tolerance = None,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
    force: o.Force = False,
) -> None:
    """Write a bundle in every format asked for, each one proved against eager PyTorch."""
    from spinn_edge.accuracy.hand_limits import parse_tolerances
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.core.bundle import check_output_free
    from spinn_edge.core.errors import UsageError
    from spinn_edge.export.bundling import ExportRequest, write_bundle
    from spinn_edge.export.derivatives import differentiated
    from spinn_edge.export.quantization import Quantization
    from spinn_edge.export.shapes import parse_input_shapes
    from spinn_edge.models.loading import load_model
    from spinn_edge.report.console import files_table, manifest_table
    from spinn_edge.runtimes.trt.recipe import EngineOptions

    printer = Printer()
    check_output_free(out, force=force)
    request = ExportRequest(
        formats=o.names(formats),
        precisions=o.names(precision),
        max_batch=max_batch,
        input_shapes=parse_input_shapes(input_shape or []),
        compute_capabilities=o.names(compute_capability) or None,
        engine=EngineOptions(
            min_batch=min_batch,
            opt_batch=opt_batch,
            workspace_bytes=None if workspace_mib is None else workspace_mib * 2**20,
            builder_level=builder_level,
            tf32=tf32,
            hardware_compatible=hardware_compatible,
            version_compatible=version_compatible,
        ),
        tolerances=parse_tolerances(tolerance or []),
        quantization=Quantization() if int8 is None else Quantization(form=int8),
    )
    if int8 is not None and "int8" not in request.precisions:
        raise UsageError(f"--int8 {int8} is for int8 files; add int8 to --precision")
    _say_what_differs(printer, request)
    # formats take different times: one says nothing of another
    with StepProgress(printer, "loading the model", alike=False) as show:
        loaded = load_model(
            model,
            o.load_options(
                activation=activation,
                weights=weights,
                trust_pickle=trust_pickle,
                trust_factory=trust_factory,
            ),
        )
        bundle = write_bundle(
            differentiated(loaded, o.names(derivatives), request.input_shapes),
            out,
            replace(request, scored=_scored_rows(data, test, loaded)),
            golden=_golden_from(data, features, loaded) if data else None,
            force=force,
            on_step=show.step,
        )
    printer.show(manifest_table(bundle.manifest, bundle.name), files_table(bundle))
    if given := bundle.manifest.architecture.derivatives:
        printer.show(f"gives also: {', '.join(derivative.name for derivative in given)}")
    for line in _messages(bundle):
        printer.show(line)
    printer.show(f"wrote {bundle.root}")


def _say_what_differs(printer: Printer, request: ExportRequest) -> None:
    """Say what will be written beside what was asked for, and what of that will not.

    Raises:
        UsageError: an unknown format or precision, or engine options without engines.
    """
    from spinn_edge.core.errors import UsageError
    from spinn_edge.export import registry
    from spinn_edge.runtimes.trt.recipe import EngineOptions

    steps = registry.in_order(request.formats, request.precisions)
    if request.engine != EngineOptions() and not any(step.format == "trt" for step in steps):
        raise UsageError(
            "--min-batch, --opt-batch, --workspace-mib, --builder-level, --tf32, "
            "--hardware-compatible and --version-compatible are for engines; add trt to --format"
        )
    for step in steps:
        if step.format not in request.formats or step.precision not in request.precisions:
            printer.show(f"{step.name} is written too: an asked-for file is made from it")
    for name, wanted in registry.lacking(request.formats, request.precisions):
        printer.show(f"{name} has no {wanted} form: left out")


def _messages(bundle: Bundle) -> list[str]:
    """Return what converters and builders remarked on the files that they wrote, and scores."""
    from spinn_edge.report.precision import task_remarks

    return [
        f"{entry.path}: {message}"
        for entry in bundle.manifest.files
        for message in (
            *entry.details.get("conversion_warnings", ()),
            *entry.details.get("builder_messages", ()),
            *task_remarks(entry),
        )
    ]


def _scored_rows(data: Path | None, test: Path | None, loaded: LoadedModel) -> ScoredRows | None:
    """Return rows with measured targets: of --test, else of --data where it has the columns.

    Raises:
        UsageError: --test for a model that does not say what it learnt from, or without the
            columns.
    """
    from spinn_edge.core.errors import UsageError
    from spinn_edge.export.task_loss import read_scored_rows

    learnt = loaded.bundle.manifest.training if loaded.bundle else None
    if learnt is None and test is not None:
        raise UsageError(
            f"--test {test} is scored by the columns that a model learnt from, as spinn-edge train "
            "writes them down; this model does not say its own, leave --test out"
        )
    path = test or data
    if learnt is None or path is None:
        return None
    return read_scored_rows(path, learnt.recipe, required=test is not None)


def _golden_from(data: Path, features: str | None, loaded: LoadedModel) -> GoldenMaker:
    """Return a maker of golden inputs from the rows of a CSV file."""
    from spinn_edge.core.errors import UsageError
    from spinn_edge.core.table import read_table
    from spinn_edge.export.golden import table_as_golden

    learnt = loaded.bundle.manifest.training if loaded.bundle else None
    columns = o.names(features) or (learnt.recipe.features if learnt else ())
    if not columns:
        raise UsageError(f"name the columns of {data} that go into the model with --features")
    return table_as_golden(read_table(data), columns)
