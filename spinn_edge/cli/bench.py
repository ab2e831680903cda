"""``spinn-edge bench``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.bench.measurement import Row
    from spinn_edge.bench.result import BenchResult


def bench(
    model: o.Model,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Model to compare with, timed right beside it."),
    ] = None,
    runtime: Annotated[str, typer.Option(help="all, or names separated by commas.")] = "all",
    batch: Annotated[
        str,
        typer.Option(
            help="Samples in one inference, or sweep: powers of two until throughput saturates."
        ),
    ] = "1,1000",
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="PER_SECOND",
            help="Time a fixed-rate loop as well, such as 1000 or 1000,100 inferences a second: "
            "missed deadlines, jitter, what the pause costs.",
        ),
    ] = None,
    precision: Annotated[
        str, typer.Option(help="Of the bundle's files: fp32, fp16, int8, separated by commas.")
    ] = "fp32",
    boundary: Annotated[
        str,
        typer.Option(
            help="What a sample spans: main (host-to-host; on a GPU device and enqueue too), all "
            "that a runtime has, or some of host-to-host, bound, device, enqueue."
        ),
    ] = "main",
    threads: o.Threads = 1,
    launches: Annotated[
        int, typer.Option(help="Fresh processes for each model and runtime, in turn.", min=1)
    ] = 5,
    seconds: Annotated[
        float, typer.Option(help="Most time for samples, for each row and launch.")
    ] = 0.2,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which a launch is ended.", min=1)
    ] = 300.0,
    energy: Annotated[
        bool,
        typer.Option(
            "--energy", help="Measure joules an inference where readable: a second for each row."
        ),
    ] = False,
    on_mismatch: o.OnMismatch = "error",
    tf32: o.Tf32 = False,
    provider_option: o.ProviderOption = None,
    json: o.Json = None,
    save_baseline: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write --json's document as the baseline of compare."),
    ] = None,
    markdown: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the results tables; - for standard output."),
    ] = None,
    html: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write a page with charts, which needs no network."),
    ] = None,
    input_shape: o.InputShape = None,
    activation: o.Activation = None,
    weights: o.Weights = None,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
    trust_engine_code: o.TrustEngineCode = False,
) -> None:
    """Time a bundle on runtimes, each in processes of its own, after parity was checked there."""
    from spinn_edge.bench.loops.sweep import SWEEP
    from spinn_edge.bench.loops.timing import TimingRule
    from spinn_edge.bench.regression.stored import check_baseline
    from spinn_edge.bench.regression.stored import save_baseline as store_baseline
    from spinn_edge.bench.session import BenchRequest, run_bench
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.sources import open_bundle
    from spinn_edge.cli.time_left import TimedLines
    from spinn_edge.core.errors import UsageError
    from spinn_edge.report.console import bench_table
    from spinn_edge.report.json_document import bench_document, to_text
    from spinn_edge.report.markdown import results_markdown
    from spinn_edge.report.page.page import run_page
    from spinn_edge.report.result_remarks import screen_remarks

    if save_baseline == "-":
        raise UsageError("--save-baseline -: expected a file; for standard output use --json -")
    batches = o.batch_sizes(batch)
    if save_baseline and batches == SWEEP:
        raise UsageError(
            "--save-baseline with --batch sweep: the next sweep may end at another size, which "
            "compare would miss; name sizes, such as --batch 1,256"
        )
    printer = Printer(json, markdown, save_baseline, html)
    if save_baseline:
        check_baseline(Path(save_baseline))  # before anything is measured
    request = BenchRequest(
        runtimes=o.runtime_names(runtime),
        every_runtime=runtime == "all",
        batches=batches,
        rates_per_s=o.rates_per_s(rate),
        precisions=o.precision_names(precision),
        boundaries=o.boundary_names(boundary),
        launches=launches,
        energy=energy,
        threads=threads,
        timeout_s=timeout,
        on_mismatch=on_mismatch,
        tf32=tf32,
        provider_options=o.provider_options(provider_option),
        trust_factory=trust_factory,
        trust_engine_code=trust_engine_code,
        rule=TimingRule(budget_s=seconds),
    )
    load = o.load_options(
        activation=activation,
        weights=weights,
        trust_pickle=trust_pickle,
        trust_factory=trust_factory,
    )
    with ExitStack() as stack:
        bundle = stack.enter_context(open_bundle(model, load, input_shape))
        other = stack.enter_context(open_bundle(baseline, load, input_shape)) if baseline else None
        lines = TimedLines(printer.say)
        result = run_bench(
            bundle,
            request,
            baseline=other,
            on_launch=lambda contender, launch: lines.step(
                f"launch {launch} of {launches}: {contender.label} on {contender.runtime} "
                f"{contender.options.precision}",
                launch - 1,
                launches,
            ),
        )
    printer.show(bench_table(result, width=printer.width), *screen_remarks(result))
    printer.write(to_text(bench_document(result)), json)
    printer.write(results_markdown(result), markdown)
    if html is not None:
        shown = (bundle,) if other is None else (other, bundle)
        printer.write(run_page(result, shown), html)
    raise_for_rows(result, every_runtime=runtime == "all")
    if save_baseline:  # last: a run with a failed row must not replace a good baseline
        store_baseline(to_text(bench_document(result)), Path(save_baseline))
        printer.say(f"wrote {save_baseline}")


def raise_for_rows(result: BenchResult, *, every_runtime: bool) -> None:
    """Turn rows that were not timed into an exit code, after all results were written.

    Args:
        result: the rows.
        every_runtime: ``--runtime all``: a runtime that cannot work here is no error.

    Raises:
        ParityError: a runtime computes something else.
        BundleError: a runtime refused its file: damaged, or for another device or version.
        InferenceError: a runtime crashed, hung or failed.
        RuntimeUnavailableError: a runtime that was named cannot work here, or none can.
    """
    from spinn_edge.core.errors import (
        BundleError,
        InferenceError,
        ParityError,
        RuntimeUnavailableError,
    )

    rows = [row for row in result.rows if not row.ends_sweep]
    for row in rows:
        if row.parity is not None and not row.parity.passed:
            raise ParityError(f"{_name(row)}: {row.reason}")
    for row in rows:
        named = row.status == "failed" or not every_runtime
        if row.exit_code == BundleError.exit_code and named:
            raise BundleError(f"{_name(row)}: {row.reason}")
        if row.status == "failed":
            raise InferenceError(f"{_name(row)}: {row.reason}")
        if row.status == "unavailable" and not every_runtime:
            raise RuntimeUnavailableError(f"{_name(row)}: {row.reason}")
    if not any(row.status == "ok" for row in rows):
        raise RuntimeUnavailableError("no runtime on this machine could be timed")


def _name(row: Row) -> str:
    rate = "" if row.rate_per_s is None else f", {row.rate_per_s:,.10g} a second"
    return (
        f"{row.bundle} on {row.runtime} in {row.precision} at batch {row.batch}, {row.boundary}"
        f"{rate}"
    )
