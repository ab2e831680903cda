"""Options of the success gate: what a smaller network must hold."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.core.errors import UsageError

if TYPE_CHECKING:
    from spinn_edge.pruning.gates.gate import GateResult, PruningGate

GateR2 = Annotated[
    float | None,
    typer.Option(help="Leave with 4 unless R² overall is above it; 0.75 is only shown."),
]
GateEach = Annotated[
    float | None,
    typer.Option(help="Leave with 4 unless every target's R² is above it; 0.70 is only shown."),
]
GateLoss = Annotated[
    float | None, typer.Option(help="Leave with 4 where R² fell by more, overall or of a target.")
]
GateParameters = Annotated[
    str | None,
    typer.Option(metavar="LOW:HIGH", help="Leave with 4 unless as many parameters are left."),
]
GateSpeedup = Annotated[
    float | None,
    typer.Option(help="Leave with 4 unless it is so many times faster, measured on --runtime."),
]


def read_gate(
    r2: float | None,
    each: float | None,
    loss: float | None = None,
    parameters: str | None = None,
    speedup: float | None = None,
) -> PruningGate:
    """Return the gate that was typed: it asks for nothing else.

    Raises:
        UsageError: a limit that nothing could hold, or that is no number.
    """
    from spinn_edge.pruning.gates.gate import PruningGate

    for option, limit in (("--gate-r2", r2), ("--gate-each", each)):
        if limit is not None and not limit < 1:
            raise UsageError(f"{option} {limit:g}: R² is at most 1; name a limit below 1")
    return PruningGate(
        min_r2=r2,
        min_r2_each=each,
        max_r2_loss=loss,
        parameter_range=None if parameters is None else _range(parameters),
        min_speedup=speedup,
    )


def with_usual(gate: PruningGate) -> PruningGate:
    """Return a gate to show: the usual limits of R² stand where none was typed."""
    from spinn_edge.pruning.gates.gate import PruningGate

    usual = PruningGate()
    return replace(
        gate,
        min_r2=usual.min_r2 if gate.min_r2 is None else gate.min_r2,
        min_r2_each=usual.min_r2_each if gate.min_r2_each is None else gate.min_r2_each,
    )


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.replace(",", "").partition(":")
    if not (low.isdecimal() and high.isdecimal()):
        raise UsageError(f"--gate-parameters {text}: expected LOW:HIGH, such as 150000:250000")
    return int(low), int(high)


def raise_for_gate(verdict: GateResult) -> None:
    """Leave with the exit code of a failure.

    Raises:
        PruningError: a check failed; the network is written all the same.
    """
    from spinn_edge.core.errors import PruningError

    if not verdict.passed:
        raise PruningError(
            f"the network is written, but it missed the gate: {'; '.join(verdict.reasons)}"
        )
