"""``spinn-edge bench-train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o
from spinn_edge.cli.config_file import read_config

if TYPE_CHECKING:
    from spinn_edge.bench.training.contest import TrainingRequest
    from spinn_edge.bench.training.job import Subject
    from spinn_edge.bench.training.result import TrainingResult

_ALL = "all"


def bench_train(
    equation: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="all, or some of convection, reaction, reaction-diffusion, allen-cahn, helmholtz, "
            "burgers, demo; without it and --model: allen-cahn,demo.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(help="Bundle to fine-tune; may be repeated.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="CSV that the bundles learnt from; else golden inputs.")
    ] = None,
    compile_: Annotated[
        str,
        typer.Option(
            "--compile",
            metavar="on,off",
            envvar="SPINN_EDGE_COMPILE",
            help="off: eager steps; on: the compiled one; both are compared.",
        ),
    ] = "on,off",
    seeds: Annotated[int, typer.Option(help="Of weights and points: how many.")] = 1,
    launches: Annotated[
        int, typer.Option(help="Fresh processes for each seed and way, in turn.")
    ] = 3,
    seconds: Annotated[float, typer.Option(help="Time for the steps of one launch.")] = 1.0,
    iterations: Annotated[
        int | None, typer.Option(help="Steps of one launch, instead of --seconds.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; else all that may be used.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds after which a launch is ended, compilation included.")
    ] = 300.0,
    json: o.Json = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="JSON of a run before; measures nothing."),
    ] = None,
    latex: Annotated[
        Path | None, typer.Option(help="LaTeX table whose speed columns are rewritten.")
    ] = None,
    latex_out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where the rewritten table goes.")
    ] = None,
    latex_columns: Annotated[
        str | None,
        typer.Option(
            metavar="QUANTITY=HEAD",
            help='Heads of the columns, such as "it/s=Rate,time=1000 epochs,speed-up=Gain".',
        ),
    ] = None,
    latex_rows: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write bare rows; - for standard output.")
    ] = None,
    trust_factory: o.TrustFactory = False,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with these options under their long names.",
            callback=read_config,
            is_eager=True,
        ),
    ] = None,
) -> None:
    """Time training steps of physics-informed networks, eager and compiled, proved equal."""
    from spinn_edge.bench.training.contest import TrainingRequest, run_contest
    from spinn_edge.bench.training.job import StepRule
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.time_left import TimedLines
    from spinn_edge.core.errors import UsageError
    from spinn_edge.core.optional import require
    from spinn_edge.report.json_document import to_text
    from spinn_edge.report.latex_rows import booktabs_rows, rewrite_speed
    from spinn_edge.report.training_speed import (
        cost_table,
        read_training_document,
        speed_table,
        training_document,
    )
    from spinn_edge.report.training_speed_words import training_words

    printer = Printer(json, latex_out, latex_rows)
    if (latex is None) != (latex_out is None):
        raise UsageError("--latex FILE and --latex-out FILE go together; name both")
    heads = _heads(latex_columns)
    table = None if latex is None else _read(latex, "--latex")
    if from_ is not None:
        if equation or model:
            raise UsageError("--from shows what was measured; leave out --equation and --model")
        result = read_training_document(_read(from_, "--from"), str(from_))
    else:
        request = TrainingRequest(
            subjects=_subjects(equation, model or [], data, trust_factory=trust_factory),
            ways=_ways(compile_),
            seeds=seeds,
            launches=launches,
            device=device,
            threads=threads,
            timeout_s=timeout,
            rule=StepRule(seconds=seconds, iterations=iterations),
        )
        require("torch", extra="export")
        check_bundles(request)
        # the first round compiles, and says nothing of the others
        lines = TimedLines(printer.say, unlike=int("on" in o.names(compile_)))
        result = run_contest(request, on_launch=lines.step)
    printer.show(speed_table(result), cost_table(result), *training_words(result))
    printer.write(to_text(training_document(result)), json)
    if latex_rows is not None:
        printer.write(booktabs_rows(result), latex_rows)
    if table is not None:
        printer.write(rewrite_speed(table, result, heads, str(latex)), latex_out)
    raise_for_rows(result)


def check_bundles(request: TrainingRequest) -> None:
    """Load every bundle once, so that a wrong one is refused before anything is timed.

    Raises:
        SpinnEdgeError: as :func:`spinn_edge.bench.training.tasks.make_task`.
    """
    from spinn_edge.bench.training.tasks import make_task

    for subject in request.subjects:
        if subject.bundle:
            make_task(subject, seed=0)


def raise_for_rows(result: TrainingResult) -> None:
    """Turn what was not timed into an exit code, after all results were written.

    A compiler that is not installed is a reason in a row, and an error only where no row is left.

    Raises:
        ParityError: a way computes another loss or gradient.
        InferenceError: a launch crashed, hung or failed.
        RuntimeUnavailableError: nothing could be timed.
    """
    from spinn_edge.core.errors import InferenceError, ParityError, RuntimeUnavailableError

    for row in result.rows:
        words = f"{row.subject.name}, {row.way}: {row.reason}"
        if row.status == "unequal":
            raise ParityError(words)
        if row.status == "failed":
            raise InferenceError(words)
    if all(row.status == "unavailable" for row in result.rows):
        raise RuntimeUnavailableError(result.rows[0].reason)


def _subjects(
    equation: str | None, models: list[Path], data: Path | None, *, trust_factory: bool
) -> tuple[Subject, ...]:
    from spinn_edge.bench.training.job import Subject
    from spinn_edge.core.errors import UsageError
    from spinn_edge.training.equations.registry import NAMES, check_known

    if data is not None and not models:
        raise UsageError("--data goes with --model BUNDLE")
    if equation is None:
        names: tuple[str, ...] = () if models else ("allen-cahn", "demo")
    else:
        names = NAMES if equation == _ALL else tuple(dict.fromkeys(o.names(equation)))
        if not names:
            raise UsageError(f"--equation names nothing; expected all, or some of {NAMES}")
    for name in names:
        check_known(name)
    bundles = [
        Subject(
            name=path.resolve().name,
            bundle=str(path),
            data="" if data is None else str(data),
            trust_factory=trust_factory,
        )
        for path in models
    ]
    return (*(Subject(name=name) for name in names), *bundles)


def _ways(text: str) -> tuple[str, ...]:
    from spinn_edge.bench.training.contest import COMPILED_WAY, EAGER_WAYS
    from spinn_edge.core.errors import UsageError

    chosen = set(o.names(text))
    if not chosen or not chosen <= {"on", "off"}:
        raise UsageError(f"--compile {text}: expected on, off, or on,off")
    eager = EAGER_WAYS if "off" in chosen else ()
    return (*eager, COMPILED_WAY) if "on" in chosen else eager


def _heads(text: str | None) -> dict[str, str]:
    from spinn_edge.core.errors import UsageError
    from spinn_edge.report.latex_rows import QUANTITIES

    heads: dict[str, str] = {}
    for pair in o.names(text):
        quantity, mark, head = (part.strip() for part in pair.partition("="))
        if quantity not in QUANTITIES or not mark or not head:
            raise UsageError(
                f"--latex-columns {pair}: expected QUANTITY=HEAD, QUANTITY one of "
                f"{', '.join(QUANTITIES)}"
            )
        heads[quantity] = head
    return heads


def _read(path: Path, option: str) -> str:
    from spinn_edge.core.errors import UsageError

    try:
        # newline="": line ends stay as they are
        with path.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{option} {path} cannot be read as text: {exc}") from exc
