"""``spinn-edge``: wires the commands together."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from spinn_edge import __version__
from spinn_edge.cli.adapt import adapt
from spinn_edge.cli.bench import bench
from spinn_edge.cli.bench_train import bench_train
from spinn_edge.cli.compare import compare
from spinn_edge.cli.demo import demo
from spinn_edge.cli.explain import explain
from spinn_edge.cli.export import export
from spinn_edge.cli.inspection import inspect
from spinn_edge.cli.mask import mask
from spinn_edge.cli.options import INTERRUPTED
from spinn_edge.cli.physics import physics
from spinn_edge.cli.prune import prune
from spinn_edge.cli.report import report
from spinn_edge.cli.runtimes import runtimes
from spinn_edge.cli.schema import schema
from spinn_edge.cli.train import train
from spinn_edge.cli.validate import validate
from spinn_edge.cli.verify import verify
from spinn_edge.cli.waterfall import waterfall
from spinn_edge.core.errors import SpinnEdgeError

STOPPED = "stopped by you"

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Prune a trained PyTorch model, export it with proof, and time it honestly.",
    epilog="MODEL is a bundle folder, a .safetensors or .pt state dict (with --activation), "
    "package.module:factory (with --weights), a .pt2, a TorchScript file, or an .onnx.",
)
for _command in (
    *(demo, train, prune, mask, adapt, export),
    *(verify, validate, waterfall, physics),
    *(bench, bench_train, compare, report, explain, inspect, runtimes, schema),
):
    app.command()(_command)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"spinn-edge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; goes first.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; errors become a message and an exit code, never a traceback."""
    try:
        app()
    except SystemExit as exc:
        if exc.code == INTERRUPTED:
            typer.echo(STOPPED, err=True)
        raise
    except SpinnEdgeError as exc:
        _report(exc, f"error: {exc}", exc.exit_code)
    except OSError as exc:
        _report(exc, f"error: {exc}", 1)
    except Exception as exc:
        if _was_interrupted(exc):
            _report(exc, STOPPED, INTERRUPTED)
        text = f"internal error, please report it: {type(exc).__name__}: {exc}"
        _report(exc, f"{text}\nfor the traceback: spinn-edge --debug {' '.join(sys.argv[1:])}", 1)


def _was_interrupted(exc: BaseException | None) -> bool:
    """Tell whether Ctrl-C is behind an error: Python 3.11 wraps it where a class is being made."""
    while exc is not None:
        if isinstance(exc, KeyboardInterrupt):
            return True
        exc = exc.__cause__
    return False


def _report(exc: Exception, text: str, code: int) -> None:
    if "--debug" in sys.argv[1:]:
        raise exc
    typer.echo(text, err=True)
    sys.exit(code)
