"""``spinn-edge export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.export.golden import GoldenMaker
    from spinn_edge.models.loading import LoadedModel


def export(
    model: o.Model,
    out: o.Out,
    formats: Annotated[
        str, typer.Option("--format", help="torchscript, pt2, onnx, trt; separated by commas.")
    ] = "torchscript,pt2,onnx",
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
    data: Annotated[
        Path | None,
        typer.Option(help="CSV with real inputs to prove with; else the bundle's own, or noise."),
    ] = None,
    features: o.Features = None,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
    force: o.Force = False,
) -> None:
    """Write a bundle in every format asked for, each one proved against eager PyTorch."""
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.bundle import check_output_free
    from spinn_edge.export import registry
    from spinn_edge.export.bundling import ExportRequest, write_bundle
    from spinn_edge.export.shapes import parse_input_shapes
    from spinn_edge.models.loading import load_model
    from spinn_edge.report.console import files_table, manifest_table

    printer = Printer()
    check_output_free(out, force=force)
    chosen = o.names(formats)
    for name in registry.in_order(chosen):
        if name not in chosen:
            printer.show(f"{name} is written too: an asked-for format is made from it")
    request = ExportRequest(
        formats=chosen,
        max_batch=max_batch,
        input_shapes=parse_input_shapes(input_shape or []),
        compute_capabilities=o.names(compute_capability) or None,
    )
    with printer.status("loading the model") as say:
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
            loaded,
            out,
            request,
            golden=_golden_from(data, features, loaded) if data else None,
            force=force,
            on_step=say,
        )
    printer.show(manifest_table(bundle.manifest, bundle.name), files_table(bundle))
    printer.show(f"wrote {bundle.root}")


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
