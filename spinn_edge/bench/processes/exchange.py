"""A program of ours in a process of its own: hand it a text, take what it writes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from spinn_edge.bench.machine.environment import WORKER_THREAD_VARIABLES

_STDERR_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What a program wrote, and what became of it.

    Attributes:
        output: its standard output; whole only where ``returncode`` is 0.
        returncode: negative where a signal ended it; None where it was killed because it hung.
        ending: how it ended, in words, with the last of what it said on standard error.
    """

    output: str
    returncode: int | None
    ending: str


def exchange(
    text: str,
    *,
    command: Sequence[str],
    threads: int,
    timeout_s: float,
    whose: str = "the runtime's process",
) -> Exchange:
    """Start a program, hand it a text and wait for its end.

    The parent sleeps on the pipe meanwhile. A crash or a hang is an answer like any other.

    Args:
        text: for its standard input.
        command: the program to start.
        threads: the value of ``WORKER_THREAD_VARIABLES`` in its environment.
        timeout_s: after which the program and its children are killed.
        whose: what a reader knows the program as.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",  # a crash may write anything
        env=os.environ | dict.fromkeys(WORKER_THREAD_VARIABLES, str(threads)),
        start_new_session=True,  # so that a compiler which it started ends with it
    )
    returncode: int | None = None
    try:
        output, errors = process.communicate(text, timeout=timeout_s)
        returncode = process.returncode
        ending = _why_it_ended(returncode, whose)
    except subprocess.TimeoutExpired:
        _kill_group(process)
        output, errors = process.communicate()
        ending = f"it hung: nothing for {timeout_s:g} s, then killed; allow more with --timeout"
    except BaseException:
        _kill_group(process)
        process.communicate()
        raise
    said = [line.strip() for line in errors.splitlines() if line.strip(" ^~")]  # no underlines
    tail = " | ".join(said[-_STDERR_LINES:])
    return Exchange(
        output=output, returncode=returncode, ending=f"{ending}: {tail}" if tail else ending
    )


def _why_it_ended(code: int, whose: str) -> str:
    if code < 0:
        known = {int(number): number.name for number in signal.Signals}
        name = known.get(-code, f"signal {-code}")
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"{whose} was ended by {name}{hint}"
    return f"{whose} ended with exit code {code}"


def _kill_group(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
