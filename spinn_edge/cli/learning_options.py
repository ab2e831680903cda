"""Options of what a network learns beside its rows: training and fine-tuning share them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.training.fitting import Fit
    from spinn_edge.training.physics.lesson import PhysicsLesson

COMPILE_VARIABLE = "SPINN_EDGE_COMPILE"
"""1 compiles every training step; --compile and --no-compile go before it."""

MinDelta = Annotated[
    float,
    typer.Option(
        help="Improvement that --patience counts as one: of the mean squared error in squared "
        "deviations of the targets."
    ),
]
Residual = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        help="residual(x, y, derivatives): what an equation leaves over, on PyTorch tensors in "
        "physical units. It is imported and run.",
        show_default=False,
    ),
]
Derivatives = Annotated[
    str | None,
    typer.Option(
        metavar="OUTPUT:INPUT[:INPUT],…",
        help="What the residual asks for, unless it names them in its attribute `derivatives`.",
        show_default=False,
    ),
]
Monotone = Annotated[
    list[str] | None,
    typer.Option(
        metavar="OUTPUT:INPUT:SIGN",
        help="A slope and the sign to learn: tool_wear:time:+; may be repeated.",
        show_default=False,
    ),
]
CollocationPoints = Annotated[
    int | None,
    typer.Option(
        "--collocation",
        metavar="N",
        help="Points an epoch at which equation and slopes are held; 1024 unless told.",
        show_default=False,
    ),
]
Sampling = Annotated[
    str | None,
    typer.Option(
        help="Where they lie: rows (training rows, moved a little; the default), uniform, "
        "latin-hypercube or sobol in the box of the training rows.",
        show_default=False,
    ),
]
PhysicsWeight = Annotated[
    float | None,
    typer.Option(
        help="Of equation and slopes, beside 1 for the data; 1 unless told.", show_default=False
    ),
]
Compile = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help=f"Take training steps through torch.compile; else {COMPILE_VARIABLE}=1 decides.",
        show_default=False,
    ),
]

Device = Annotated[str, typer.Option(help="Where training steps are taken: cpu or cuda.")]


def physics_lesson(
    *,
    residual: str | None,
    derivatives: str | None,
    monotone: list[str] | None,
    collocation: int | None,
    sampling: str | None,
    weight: float | None,
) -> PhysicsLesson | None:
    """Read the options; None where no physics is asked for.

    Raises:
        UsageError: the function cannot be imported, or an option has nothing to act on.
    """
    from spinn_edge.cli.user_function import import_function
    from spinn_edge.core.derivatives import carried_derivatives
    from spinn_edge.core.errors import UsageError
    from spinn_edge.training.physics.lesson import PhysicsLesson

    slopes = tuple(name for text in monotone or [] for name in o.names(text))
    named = o.names(derivatives)
    given = {"collocation": collocation, "sampling": sampling, "weight": weight}
    chosen = {name: value for name, value in given.items() if value is not None}
    if residual is None and not slopes:
        if chosen or named:
            raise UsageError(
                "--derivatives, --collocation, --sampling and --physics-weight are for an equation "
                "or a slope, and none is named; add --residual module:function or "
                "--monotone tool_wear:time:+"
            )
        return None
    function = None
    if residual is not None:
        function = import_function(residual, "--residual", "(x, y, derivatives)")
        named = (*named, *carried_derivatives(function))
    return PhysicsLesson(residual=function, derivatives=named, monotone=slopes, **chosen)  # type: ignore[arg-type]


def wants_compile(option: bool | None) -> bool:
    """Return whether steps are compiled: as the option says, else as the environment does.

    Raises:
        UsageError: the variable is neither 0 nor 1.
        RuntimeUnavailableError: there is no C++ compiler.
    """
    from spinn_edge.core.errors import RuntimeUnavailableError, UsageError
    from spinn_edge.runtimes.pytorch.probe import probe_compiler

    variable = os.environ.get(COMPILE_VARIABLE, "")
    if variable not in ("", "0", "1"):
        raise UsageError(f"{COMPILE_VARIABLE}={variable}: expected 1 for on or 0 for off")
    wanted = variable == "1" if option is None else option
    if wanted and (reason := probe_compiler().reason) is not None:
        raise RuntimeUnavailableError(
            f"{reason}; install one (apt-get install g++), set CXX, or leave out --compile and "
            f"{COMPILE_VARIABLE}"
        )
    return wanted


def training_device(name: str) -> str:
    """Return the device that was typed, once it is known to be there.

    Raises:
        UsageError: neither ``cpu`` nor ``cuda``.
        RuntimeUnavailableError: there is no GPU that PyTorch can use.
    """
    from spinn_edge.core.errors import RuntimeUnavailableError, UsageError
    from spinn_edge.runtimes.pytorch.probe import probe_cuda

    if name not in ("cpu", "cuda"):
        raise UsageError(f"--device {name}: expected cpu or cuda")
    if name == "cuda" and (reason := probe_cuda().reason) is not None:
        raise RuntimeUnavailableError(f"--device cuda: {reason}; use --device cpu")
    return name


def compile_words(fits: tuple[Fit, ...]) -> tuple[str, ...]:
    """Say what torch.compile took, where steps were compiled."""
    spent = [fit.compile_s for fit in fits if fit.compile_s is not None]
    if not spent:
        return ()
    return (
        f"training steps were compiled by torch.compile: {sum(spent):.1f} s of the training time "
        "went into that",
    )
