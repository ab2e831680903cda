"""``spinn-edge inspect``."""

from __future__ import annotations

from spinn_edge.cli import options as o


def inspect(
    model: o.Model,
    json: o.Json = None,
    input_shape: o.InputShape = None,
    activation: o.Activation = None,
    weights: o.Weights = None,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
) -> None:
    """Show a model's size, widths, pruning audit, scores and files."""
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.sources import open_bundle
    from spinn_edge.report.console import audit_table, files_table, manifest_table, scores_table
    from spinn_edge.report.json_document import inspection_document, to_text

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
            printer.show(audit_table(manifest.pruning))
        if manifest.training:
            printer.show(scores_table(manifest.training.scores, "Scores"))
        printer.show(files_table(bundle))
        printer.write(to_text(inspection_document(bundle, bundle.name)), json)
