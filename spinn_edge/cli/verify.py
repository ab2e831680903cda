"""``spinn-edge verify``."""

from __future__ import annotations

from typing import Annotated

import typer

from spinn_edge.cli import options as o


def verify(
    model: o.Model,
    runtime: Annotated[str, typer.Option(help="all, or names separated by commas.")] = "all",
    threads: Annotated[int, typer.Option(help="CPU threads inside one operator.", min=1)] = 1,
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32, fp16 or both; else all that the bundle holds.", show_default=False
        ),
    ] = None,
    on_mismatch: o.OnMismatch = "error",
    tf32: o.Tf32 = False,
    provider_option: o.ProviderOption = None,
    json: o.Json = None,
    input_shape: o.InputShape = None,
    activation: o.Activation = None,
    weights: o.Weights = None,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
    trust_engine_code: o.TrustEngineCode = False,
) -> None:
    """Run a bundle's golden inputs through runtimes and compare with float64 references."""
    from spinn_edge.accuracy.verification import verify_bundle
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.sources import open_bundle
    from spinn_edge.core.errors import ParityError, RuntimeUnavailableError, SpinnEdgeError
    from spinn_edge.report.console import verification_table
    from spinn_edge.report.json_document import to_text, verification_document
    from spinn_edge.report.remarks import verification_remarks
    from spinn_edge.runtimes.base import OpenOptions

    printer = Printer(json)
    chosen = o.runtime_names(runtime)
    every_runtime = runtime == "all"
    precisions = None if precision is None else o.precision_names(precision)
    options = OpenOptions(
        threads=threads,
        tf32=tf32,
        on_mismatch=on_mismatch,
        provider_options=o.provider_options(provider_option),
        trust_factory=trust_factory,
        trust_engine_code=trust_engine_code,
    )
    load = o.load_options(
        activation=activation,
        weights=weights,
        trust_pickle=trust_pickle,
        trust_factory=trust_factory,
    )
    refusals: dict[tuple[str, str], SpinnEdgeError] = {}

    def note(name: str, precision: str, error: SpinnEdgeError) -> None:
        refusals[name, precision] = error

    with open_bundle(model, load, input_shape) as bundle, printer.status("verifying") as say:
        verification = verify_bundle(
            bundle,
            chosen,
            options,
            precisions,
            on_progress=lambda name: say(f"verifying {name}"),
            on_refusal=note,
        )
    printer.show(
        verification_table(verification, every_runtime=every_runtime),
        *verification_remarks(verification, every_runtime=every_runtime),
    )
    printer.write(to_text(verification_document(verification)), json)
    failed = [check for check in verification.checks if not check.passed]
    if any((check.runtime, check.precision) not in refusals for check in failed):
        count = f"{len(failed)} of {len(verification.checks)} checks"
        raise ParityError(f"{model} failed {count}; first: {failed[0].reason}")
    for check in failed:  # a file that its own runtime cannot open
        raise refusals[check.runtime, check.precision]
    if not every_runtime:
        for skipped in verification.skipped:
            raise refusals[skipped.runtime, skipped.precision]
    if not verification.passed:
        raise RuntimeUnavailableError(f"no runtime on this machine can run {model}")
