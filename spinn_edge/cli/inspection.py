"""``spinn-edge inspect``."""

from __future__ import annotations

from typing import Annotated

import typer

from spinn_edge.cli import options as o


def inspect(
    model: o.Model,
    layers: Annotated[
        bool, typer.Option("--layers", help="Parameters and zeros of every layer; needs PyTorch.")
    ] = False,
    json: o.Json = None,
    input_shape: o.InputShape = None,
    activation: o.Activation = None,
    weights: o.Weights = None,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
) -> None:
    """Show a model's size, widths, pruning audit, scores and files."""
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.pruning_verdict import show_audit
    from spinn_edge.cli.sources import open_bundle
    from spinn_edge.report.console import files_table, manifest_table, scores_table
    from spinn_edge.report.json_document import inspection_document, to_text
    from spinn_edge.report.pruning import statistics_sheet

    printer = Printer(json)
    load = o.load_options(
        activation=activation,
        weights=weights,
        trust_pickle=trust_pickle,
        trust_factory=trust_factory,
    )
    with open_bundle(model, load, input_shape) as bundle:
        manifest = bundle.manifest
        printer.show(manifest_table(manifest, bundle.name))
        if manifest.pruning:
            show_audit(manifest.pruning, printer)
        if layers:
            from spinn_edge.models.loading import module_of
            from spinn_edge.pruning.layer_statistics import layer_statistics

            module = module_of(bundle, trust_factory=trust_factory)
            printer.show(statistics_sheet(layer_statistics(module)).to_rich())
        if manifest.training:
            printer.show(scores_table(manifest.training.scores, "Scores"))
        printer.show(files_table(bundle))
        printer.write(to_text(inspection_document(bundle, bundle.name)), json)
