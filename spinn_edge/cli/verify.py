"""``spinn-edge verify``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.accuracy.search.worst_input import SearchRequest
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.models.loading import LoadOptions


def verify(
    model: o.Model,
    runtime: Annotated[str, typer.Option(help="all, or names separated by commas.")] = "all",
    threads: o.Threads = 1,
    precision: Annotated[
        str | None,
        typer.Option(
            help="fp32, fp16, int8, or several with commas; else all that the bundle holds.",
            show_default=False,
        ),
    ] = None,
    locate: Annotated[
        bool,
        typer.Option(
            "--locate", help="Compare layer by layer instead; name the first beyond tolerance."
        ),
    ] = False,
    search: Annotated[
        bool,
        typer.Option(
            "--search",
            help="Look for a bad input beyond the golden ones: random samples, corners of the "
            "data's range, and a search for the worst.",
        ),
    ] = False,
    tolerance: o.Tolerance = None,
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
    from dataclasses import replace

    from spinn_edge.accuracy.hand_limits import parse_tolerances, with_tolerances
    from spinn_edge.accuracy.verification import verify_bundle
    from spinn_edge.cli.locating import check_locatable, show_divergence
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.cli.sources import open_bundle
    from spinn_edge.core.errors import ParityError, RuntimeUnavailableError, SpinnEdgeError
    from spinn_edge.report.beyond_golden import beyond_remarks
    from spinn_edge.report.console import search_table, verification_table
    from spinn_edge.report.json_document import to_text, verification_document
    from spinn_edge.report.precision import claim_remarks
    from spinn_edge.report.remarks import verification_remarks
    from spinn_edge.runtimes.base import OpenOptions

    printer = Printer(json)
    chosen = o.runtime_names(runtime)
    every_runtime = runtime == "all"
    by_hand = parse_tolerances(tolerance or [])
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
    if locate:
        check_locatable(runtime, search=search)
        with open_bundle(model, load, input_shape) as found:
            bundle = replace(found, manifest=with_tolerances(found.manifest, by_hand))
            show_divergence(printer, bundle, options, precisions, json)
        return
    refusals: dict[tuple[str, str], SpinnEdgeError] = {}

    def note(name: str, precision: str, error: SpinnEdgeError) -> None:
        refusals[name, precision] = error

    with open_bundle(model, load, input_shape) as found, StepProgress(printer, "verifying") as show:
        bundle = replace(found, manifest=with_tolerances(found.manifest, by_hand))
        request, search_note = _search_request(model, load, bundle) if search else (None, "")
        verification = verify_bundle(
            bundle,
            chosen,
            options,
            precisions,
            on_progress=lambda name, *of: show.step(f"verifying {name}", *of),
            on_refusal=note,
            search=request,
        )
    verification = replace(verification, search_note=search_note)
    printer.show(
        verification_table(verification, every_runtime=every_runtime),
        *([search_table(verification)] if verification.searches else []),
        *beyond_remarks(verification),
        *verification_remarks(verification, every_runtime=every_runtime),
        *claim_remarks(verification.claims),
    )
    printer.write(to_text(verification_document(verification)), json)
    if verification.golden_fault is not None:
        raise ParityError(f"{model}: {verification.golden_fault}")
    failed = verification.failed
    if any((check.runtime, check.precision) not in refusals for check in failed):
        done = (*verification.checks, *verification.batch_checks, *verification.searches)
        count = f"{len(failed)} of {len(done)} checks"
        raise ParityError(f"{model} failed {count}; first: {failed[0].reason}")
    for check in failed:  # a file that its own runtime cannot open
        raise refusals[check.runtime, check.precision]
    for claim in verification.claims:
        if claim.holds is False:
            raise ParityError(f"{model}: {claim.reason}")
    if not every_runtime:
        for skipped in verification.skipped:
            raise refusals[skipped.runtime, skipped.precision]
    if not verification.passed:
        raise RuntimeUnavailableError(f"no runtime on this machine can run {model}")


def _search_request(
    model: str, load: LoadOptions, bundle: Bundle
) -> tuple[SearchRequest | None, str]:
    """Return what a search needs, or why there can be none on this machine."""
    from spinn_edge.core.errors import MissingDependencyError
    from spinn_edge.export.bundle_reference import search_request
    from spinn_edge.models.loading import load_model

    try:
        loaded = load_model(model, load)
        return search_request(loaded, bundle.manifest), ""
    except MissingDependencyError as exc:
        return None, (
            f"not searched: the reference for other inputs than the golden ones needs "
            f"{exc.module}, which is not here; only the golden inputs were checked"
        )
