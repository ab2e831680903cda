"""``spinn-edge waterfall``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.core.tensors import Array, Feeds


def waterfall(
    model: o.Model,
    dense: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="What MODEL was pruned from; else only the steps after it."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="CSV or NPZ with targets, to run and score every form on; else the golden inputs."
        ),
    ] = None,
    targets: Annotated[
        str | None, typer.Option(help="Columns that the model predicts; else as it was trained.")
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Columns that go into it; else as it was trained.")
    ] = None,
    drop_na: o.DropNa = False,
    runtime: Annotated[
        str, typer.Option(help="main: one for each format; all; or names with commas.")
    ] = "main",
    threads: o.Threads = 1,
    json: o.Json = None,
    markdown: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write Markdown; - for standard output."),
    ] = None,
    input_shape: o.InputShape = None,
    activation: o.Activation = None,
    weights: o.Weights = None,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
    trust_engine_code: o.TrustEngineCode = False,
) -> None:
    """Show what pruning, export, precision and engine each add to a model's error."""
    from spinn_edge.accuracy.divergence import waterfall as error_waterfall
    from spinn_edge.accuracy.divergence.bundle_forms import bundle_forms
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.cli.sources import open_bundle
    from spinn_edge.core.errors import ParityError
    from spinn_edge.report.json_document import to_text
    from spinn_edge.report.waterfall import (
        waterfall_document,
        waterfall_markdown,
        waterfall_table,
        waterfall_words,
    )
    from spinn_edge.runtimes.base import OpenOptions

    printer = Printer(json, markdown)
    options = OpenOptions(
        threads=threads, trust_factory=trust_factory, trust_engine_code=trust_engine_code
    )
    load = o.load_options(
        activation=activation,
        weights=weights,
        trust_pickle=trust_pickle,
        trust_factory=trust_factory,
    )
    runtimes = () if runtime == "main" else o.runtime_names(runtime)
    with ExitStack() as stack:
        bundle = stack.enter_context(open_bundle(model, load, input_shape))
        other = stack.enter_context(open_bundle(dense, load, input_shape)) if dense else None
        if other is not None:
            _check_alike(bundle, other)
        inputs, measured, names, source = _samples(
            bundle, other, data, o.names(features), o.names(targets), drop_na=drop_na
        )
        show = stack.enter_context(StepProgress(printer, "running every form"))
        result = error_waterfall.waterfall(
            bundle_forms(bundle, other, runtimes, options),
            inputs,
            targets=measured,
            names=names,
            source=source,
            on_form=show.step,
        )
    printer.show(waterfall_table(result), *waterfall_words(result))
    printer.write(to_text(waterfall_document(result)), json)
    printer.write(waterfall_markdown(result), markdown)
    for step in result.steps:
        if step.failed:
            raise ParityError(f"{model}, {step.name}: {step.reason}")


def _check_alike(bundle: Bundle, dense: Bundle) -> None:
    """Refuse two models that cannot be run on the same samples.

    Raises:
        UsageError: inputs or outputs differ.
    """
    from spinn_edge.core.errors import UsageError
    from spinn_edge.core.tensors import describe

    for what in ("inputs", "outputs"):
        one, two = getattr(bundle.manifest, what), getattr(dense.manifest, what)
        if [(s.name, s.shape[1:]) for s in one] != [(s.name, s.shape[1:]) for s in two]:
            raise UsageError(
                f"{bundle.name} has {what} {', '.join(f'{s.name} {describe(s)}' for s in one)}, "
                f"--dense {dense.name} {', '.join(f'{s.name} {describe(s)}' for s in two)}; "
                "expected the model that it was pruned from"
            )


def _samples(
    bundle: Bundle,
    dense: Bundle | None,
    data: Path | None,
    features: tuple[str, ...],
    targets: tuple[str, ...],
    *,
    drop_na: bool,
) -> tuple[Feeds, Array | None, tuple[str, ...], str]:
    """Return inputs, targets, names of the channels and where the samples came from."""
    import numpy as np

    from spinn_edge.accuracy.validation.labelled import load_labelled
    from spinn_edge.core.errors import UsageError
    from spinn_edge.core.tensors import describe

    training = bundle.manifest.training or (dense.manifest.training if dense else None)
    recipe = training.recipe if training else None
    channels = sum(len(limit.scale) for limit in bundle.manifest.parity.values())
    names = targets or (recipe.targets if recipe else ())
    if data is None:
        if features or targets or drop_na:
            raise UsageError("--features, --targets and --drop-na are for the columns of --data")
        golden = bundle.golden()
        source = f"golden inputs: {bundle.manifest.golden_source}"
        return golden.inputs, None, names if len(names) == channels else (), source
    found = load_labelled(
        data,
        features=features or (recipe.features if recipe else ()),
        targets=names,
        drop_na=drop_na,
    )
    specs = bundle.manifest.inputs
    arrays = [found.inputs.get(spec.name) for spec in specs] if found.named_inputs else []
    arrays = arrays or list(found.inputs.values())
    inputs = {
        spec.name: np.ascontiguousarray(array.astype(spec.dtype))
        for spec, array in zip(specs, arrays, strict=False)
        if array is not None and array.shape[1:] == spec.shape[1:]
    }
    if len(inputs) != len(specs):
        given = ", ".join(f"{name} {list(a.shape[1:])}" for name, a in found.inputs.items())
        raise UsageError(
            f"{data} gives {given} a sample, the model takes "
            f"{', '.join(f'{spec.name} {describe(spec)}' for spec in specs)}; "
            "name the columns that go into it with --features"
        )
    measured = np.concatenate([a.reshape(len(a), -1) for a in found.targets.values()], axis=1)
    return inputs, measured, found.columns, found.source
