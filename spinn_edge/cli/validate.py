"""``spinn-edge validate``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.accuracy.validation.tolerances import Limit


def validate(
    model: o.Model,
    baseline: Annotated[
        str, typer.Option(metavar="MODEL", help="What it is held against.", show_default=False)
    ],
    data: Annotated[
        Path,
        typer.Option(
            help="Labelled samples: a CSV, or an .npz with arrays input/NAME and target/NAME.",
            show_default=False,
        ),
    ],
    features: Annotated[
        str | None,
        typer.Option(help="Columns that the models take; else those they were trained on."),
    ] = None,
    targets: Annotated[
        str | None,
        typer.Option(
            "--targets", "--target", help="Columns that they predict; else those trained on."
        ),
    ] = None,
    drop_na: o.DropNa = False,
    runtime: Annotated[str, typer.Option(help="That runs MODEL; one name.")] = "ort-cpu",
    baseline_runtime: Annotated[
        str | None, typer.Option(help="That runs the baseline; else --runtime.")
    ] = None,
    precision: Annotated[str, typer.Option(help="Of MODEL's file.")] = "fp32",
    baseline_precision: Annotated[str, typer.Option(help="Of the baseline's file.")] = "fp32",
    tolerance: Annotated[
        str,
        typer.Option(
            metavar="LOSS",
            help="How much R² may fall, or by what share RMSE may grow, in each channel; a "
            "number, or wear=0.02,heat=0.01.",
        ),
    ] = "0.01",
    max_drift: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="How far outputs may drift, a share of each channel's scale; likewise. "
            "Else the square root of --tolerance.",
        ),
    ] = None,
    score: Annotated[str, typer.Option(help="r2 or rmse.")] = "r2",
    threads: o.Threads = 1,
    json: o.Json = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw where the two differ: .png, .svg or .pdf.",
            show_default=False,
        ),
    ] = None,
    activation: o.Activation = None,
    input_shape: o.InputShape = None,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
    trust_engine_code: o.TrustEngineCode = False,
) -> None:
    """Judge MODEL against its baseline on labelled data: drift of outputs and loss of score."""
    from spinn_edge.accuracy.validation.difference_figure import check_figure_path, visualize_diff
    from spinn_edge.accuracy.validation.evaluators import bundle_evaluator
    from spinn_edge.accuracy.validation.tolerances import TOLERANCE
    from spinn_edge.accuracy.validation.validator import AccuracyValidator
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.cli.sources import open_bundle
    from spinn_edge.core.errors import ParityError
    from spinn_edge.report.json_document import to_text
    from spinn_edge.report.validation import (
        validation_remarks,
        validation_summary,
        validation_table,
    )
    from spinn_edge.runtimes.model import open_runtime

    printer = Printer(json, None if figure is None else str(figure.absolute()))
    if figure is not None:
        check_figure_path(figure)
    limits = _limit(tolerance, "--tolerance"), _limit(max_drift, "--max-drift")
    load = o.load_options(
        activation=activation, trust_pickle=trust_pickle, trust_factory=trust_factory
    )
    sides = (
        ("baseline", baseline, baseline_runtime or runtime, baseline_precision),
        ("optimized", model, runtime, precision),
    )
    described: dict[str, dict[str, str]] = {}
    with ExitStack() as stack, StepProgress(printer, "validating", alike=False) as show:
        evaluators = []
        for number, (side, source, runtime_name, kind) in enumerate(sides):
            show.step(f"opening {source} on {runtime_name}", number, len(sides) + 1)
            bundle = stack.enter_context(open_bundle(source, load, input_shape))
            opened = stack.enter_context(
                open_runtime(
                    bundle,
                    runtime=runtime_name,
                    threads=threads,
                    precision=kind,
                    trust_factory=trust_factory,
                    trust_engine_code=trust_engine_code,
                )
            )
            evaluators.append(bundle_evaluator(bundle, opened, side))
            described[side] = {
                "name": bundle.name,
                "runtime": runtime_name,
                "precision": kind,
                "file": opened.facts.file,
            }
        show.step("running both on every row", len(sides), len(sides) + 1)
        result = AccuracyValidator(
            *evaluators,
            tolerance=TOLERANCE if limits[0] is None else limits[0],
            max_drift=limits[1],
            score=score,
            features=o.names(features),
            targets=o.names(targets),
            drop_na=drop_na,
        ).validate(data)
    printer.show(validation_table(result), *validation_remarks(result))
    printer.write(to_text({**described, **result.to_json()}), json)
    if figure is not None:
        visualize_diff(result.comparison, figure)
        printer.say(f"wrote {figure}")
    if not result.passed:
        raise ParityError(f"{model} {validation_summary(result)}; first: {result.reasons[0]}")


def _limit(text: str | None, option: str) -> Limit | None:
    """Read ``0.01`` or ``wear=0.02,heat=0.01``.

    Raises:
        UsageError: it is neither.
    """
    from spinn_edge.core.errors import UsageError

    if text is None:
        return None
    try:
        if "=" not in text:
            return float(text)
        pairs = [part.rpartition("=") for part in o.names(text)]
        return {name.strip(): float(value) for name, _, value in pairs}
    except ValueError as exc:
        raise UsageError(
            f"{option} {text}: expected a number, or numbers by name such as wear=0.02,heat=0.01"
        ) from exc
