"""``spinn-edge physics``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.accuracy.physics.questions import Residual


def physics(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="What is deployed.")],
    derivatives: Annotated[
        str | None,
        typer.Option(
            metavar="OUTPUT:INPUT[:INPUT],…",
            help="tool_wear:time,tool_wear:time:time; columns by name, or output.0 and input.3.",
            show_default=False,
        ),
    ] = None,
    monotone: Annotated[
        str | None,
        typer.Option(
            metavar="OUTPUT:INPUT:SIGN,…",
            help="Slopes and the sign that they must have: tool_wear:time:+,tool_wear:feed:-.",
            show_default=False,
        ),
    ] = None,
    residual: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:FUNCTION",
            help="residual(x, y, derivatives): what an equation leaves over at each sample.",
            show_default=False,
        ),
    ] = None,
    trust_residual: Annotated[
        bool, typer.Option("--trust-residual", help="Import and call that function.")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="BUNDLE", help="The model before pruning; else BUNDLE itself."),
    ] = None,
    runtime: Annotated[str, typer.Option(help="all, or names separated by commas.")] = "all",
    precision: Annotated[
        str | None,
        typer.Option(help="Of the files; else all that the bundle holds.", show_default=False),
    ] = None,
    points: Annotated[int, typer.Option(help="Samples, from the golden inputs.", min=1)] = 256,
    first_limit: Annotated[
        float, typer.Option(help="Largest error of a first derivative, a share of its scale.")
    ] = 1e-3,
    second_limit: Annotated[
        float, typer.Option(help="Largest error of a second derivative, likewise.")
    ] = 1e-2,
    residual_growth: Annotated[
        float, typer.Option(help="How many times larger than before a residual may be.")
    ] = 1.5,
    violations: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE",
            help="Samples where a slope may have the wrong sign, such as 1%; else as many as the "
            "baseline has, or none.",
        ),
    ] = None,
    threads: o.Threads = 1,
    json: o.Json = None,
    trust_factory: o.TrustFactory = False,
    trust_engine_code: o.TrustEngineCode = False,
) -> None:
    """Check derivatives, slopes and equations, before and after, through what is deployed."""
    from spinn_edge.accuracy.physics.checks import check_physics
    from spinn_edge.accuracy.physics.questions import PhysicsLimits, PhysicsQuestions
    from spinn_edge.cli.compare import share
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.core.derivatives import carried_derivatives
    from spinn_edge.core.errors import ParityError, RuntimeUnavailableError
    from spinn_edge.report.json_document import to_text
    from spinn_edge.report.physics import physics_document, physics_remarks, physics_tables
    from spinn_edge.runtimes.base import OpenOptions

    printer = Printer(json)
    every_runtime = runtime == "all"
    chosen = o.runtime_names(runtime)
    function = _load_residual(residual, trusted=trust_residual) if residual else None
    questions = PhysicsQuestions(
        derivatives=(*o.names(derivatives), *carried_derivatives(function)),
        monotone=o.names(monotone),
        residual=function,
        residual_name=residual or "",
        limits=PhysicsLimits(
            first=first_limit,
            second=second_limit,
            growth=residual_growth,
            violations=None if violations is None else share(violations, "--violations"),
        ),
        points=points,
    )
    loaded = Bundle.load(bundle)
    with StepProgress(printer, "differentiating in float64") as show:
        report = check_physics(
            loaded,
            chosen,
            questions,
            baseline=Bundle.load(baseline) if baseline else None,
            options=OpenOptions(
                threads=threads, trust_factory=trust_factory, trust_engine_code=trust_engine_code
            ),
            precisions=o.precision_names(precision) if precision else None,
            skip_unavailable=every_runtime,
            on_progress=lambda name, *of: show.step(f"checking {name}", *of),
        )
    printer.show(*physics_tables(report), *physics_remarks(report))
    printer.write(to_text(physics_document(report)), json)
    if not report.derivatives:
        raise RuntimeUnavailableError(f"no runtime on this machine can run {bundle}")
    failed = [check for check in report.checks if not check.passed]
    if failed:
        raise ParityError(
            f"{bundle} failed {len(failed)} of {len(report.checks)} checks; first, "
            f"{failed[0].runtime}: {failed[0].reason}"
        )


def _load_residual(reference: str, *, trusted: bool) -> Residual:
    """Import ``module:function``, from this folder too.

    Raises:
        UsageError: it is not trusted, cannot be imported, or is no function.
    """
    from spinn_edge.cli.user_function import import_function
    from spinn_edge.core.errors import UsageError

    if not trusted:
        raise UsageError(
            f"--residual {reference} imports and runs code; if you trust it, repeat with "
            "--trust-residual"
        )
    return import_function(reference, "--residual", "(x, y, derivatives)")
