"""``spinn-edge explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.bench.understanding.explanation import Explanation


def explain(
    model: o.Model,
    runtime: Annotated[str, typer.Option(help="One name, see spinn-edge runtimes.")] = "ort-cpu",
    batch: Annotated[str, typer.Option(help="Samples in one inference.")] = "1",
    only: Annotated[
        str,
        typer.Option(
            metavar="PARTS",
            help="all, or some of roofline, floor, threads, widths, separated by commas.",
        ),
    ] = "all",
    launches: Annotated[
        int, typer.Option(help="Fresh processes for each thing that is timed, in turn.", min=1)
    ] = 5,
    seconds: Annotated[
        float, typer.Option(help="Most time for samples, for each batch size and launch.")
    ] = 0.2,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which a launch is ended.", min=1)
    ] = 300.0,
    json: o.Json = None,
    markdown: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the tables; - for standard output.")
    ] = None,
    input_shape: o.InputShape = None,
    activation: o.Activation = None,
    weights: o.Weights = None,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
    trust_engine_code: o.TrustEngineCode = False,
) -> None:
    """Say how near a bundle is to this machine's limits, and what would bring it nearer."""
    from spinn_edge.bench.loops.timing import TimingRule
    from spinn_edge.bench.understanding.explain_request import PARTS, ExplainRequest
    from spinn_edge.bench.understanding.explanation import explain as measure
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.sources import open_bundle
    from spinn_edge.cli.time_left import TimedLines
    from spinn_edge.core.errors import UsageError
    from spinn_edge.report.explanation import (
        explanation_document,
        explanation_markdown,
        explanation_tables,
    )
    from spinn_edge.report.explanation_words import explanation_words
    from spinn_edge.report.json_document import to_text

    printer = Printer(json, markdown)
    chosen = o.runtime_names(runtime)
    if len(chosen) != 1:
        raise UsageError(f"--runtime {runtime}: expected one name, such as ort-cpu")
    request = ExplainRequest(
        runtime=chosen[0],
        batches=tuple(dict.fromkeys(o.whole_numbers(batch, "--batch"))),
        parts=PARTS if only == "all" else tuple(dict.fromkeys(o.names(only))),
        every_part=only == "all",
        launches=launches,
        timeout_s=timeout,
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
    with open_bundle(model, load, input_shape) as bundle:
        explanation = measure(bundle, request, on_step=TimedLines(printer.say).step)
    printer.show(explanation_tables(explanation), *explanation_words(explanation))
    printer.write(to_text(explanation_document(explanation)), json)
    printer.write(explanation_markdown(explanation), markdown)
    raise_for_rows(explanation)


def raise_for_rows(explanation: Explanation) -> None:
    """Turn what was not timed into an exit code, after all results were written.

    Raises:
        ParityError: a network computes something else on the runtime.
        RuntimeUnavailableError: the runtime cannot serve the bundle here.
        InferenceError: a launch crashed, hung or failed.
    """
    from spinn_edge.core.errors import InferenceError, ParityError, RuntimeUnavailableError

    for row in explanation.rows:
        words = f"{row.bundle} on {row.runtime} at batch {row.batch}: {row.reason}"
        if row.parity is not None and not row.parity.passed:
            raise ParityError(words)
        if row.status == "unavailable":
            raise RuntimeUnavailableError(words)
        if row.status != "ok":
            raise InferenceError(words)
