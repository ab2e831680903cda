"""A program of ours in a process of its own: hand it a text, take what it writes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

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


class Program:
    """A program that was started and handed its text, a line; its standard input is still open.

    The parent sleeps on its pipe whenever it waits. A crash or a hang is an answer like any other.
    Leaving the ``with`` block ends it and its children, whatever they do.
    """

    def __init__(
        self,
        text: str,
        *,
        command: Sequence[str],
        threads: int,
        whose: str = "the runtime's process",
    ) -> None:
        """Start it.

        Args:
            text: one line, for its standard input.
            command: the program to start.
            threads: the value of ``WORKER_THREAD_VARIABLES`` in its environment.
            whose: what a reader knows the program as.
        """
        self._whose = whose
        self._first_line = b""
        self._hung_after_s: float | None = None
        # a file, which cannot fill up and stop the program while nobody reads
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the block
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=os.environ | dict.fromkeys(WORKER_THREAD_VARIABLES, str(threads)),
            start_new_session=True,  # so that a compiler which it started ends with it
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it is gone; its ending says why
            self._process.stdin.write(f"{text}\n".encode())
            self._process.stdin.flush()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *details: object) -> None:
        if self._process.returncode is None:
            self._kill()
            self._process.communicate()
        self._said.close()

    def wait_for_line(self, timeout_s: float) -> None:
        """Wait until it has written a line, or has ended; one that does neither is killed."""
        assert self._process.stdout is not None
        timer = threading.Timer(timeout_s, self._give_up, [timeout_s])
        timer.start()
        try:
            # from the descriptor: a buffer would keep what communicate reads next
            while not self._first_line.endswith(b"\n"):
                byte = os.read(self._process.stdout.fileno(), 1)
                if not byte:
                    break
                self._first_line += byte
        finally:
            timer.cancel()
            timer.join()

    def finish(self, timeout_s: float) -> Exchange:
        """Close its standard input and wait for its end; after ``timeout_s`` it is killed."""
        try:
            written, _ = self._process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self._give_up(timeout_s)
            written, _ = self._process.communicate()
        hung, returncode = self._hung_after_s, self._process.returncode
        ending = (
            _why_it_ended(returncode, self._whose)
            if hung is None
            else f"it hung: nothing for {hung:g} s, then killed; allow more with --timeout"
        )
        tail = " | ".join(self._last_words())
        return Exchange(
            # a crash may write anything
            output=(self._first_line + written).decode("utf-8", errors="replace"),
            returncode=returncode if hung is None else None,
            ending=f"{ending}: {tail}" if tail else ending,
        )

    def _last_words(self) -> list[str]:
        self._said.seek(0)
        text = self._said.read().decode("utf-8", errors="replace")
        said = [line.strip() for line in text.splitlines() if line.strip(" ^~")]  # no underlines
        return said[-_STDERR_LINES:]

    def _give_up(self, after_s: float) -> None:
        self._hung_after_s = after_s
        self._kill()

    def _kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            self._process.kill()


def exchange(
    text: str,
    *,
    command: Sequence[str],
    threads: int,
    timeout_s: float,
    whose: str = "the runtime's process",
) -> Exchange:
    """Start a program, hand it a text and wait for its end.

    Args:
        text: one line, for its standard input.
        command: the program to start.
        threads: the value of ``WORKER_THREAD_VARIABLES`` in its environment.
        timeout_s: after which the program and its children are killed.
        whose: what a reader knows the program as.
    """
    with Program(text, command=command, threads=threads, whose=whose) as program:
        return program.finish(timeout_s)


def _why_it_ended(code: int, whose: str) -> str:
    if code < 0:
        known = {int(number): number.name for number in signal.Signals}
        name = known.get(-code, f"signal {-code}")
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"{whose} was ended by {name}{hint}"
    return f"{whose} ended with exit code {code}"
