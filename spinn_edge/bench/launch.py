"""Starting workers, and turning whatever becomes of them into rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from spinn_edge.bench.environment import WORKER_THREAD_VARIABLES
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.worker import Job, Plan, failed_rows, row_from_json
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import BundleError

_STDERR_LINES = 5


def run_in_process(
    job: Job,
    *,
    timeout_s: float,
    command: Sequence[str] = (sys.executable, "-m", "spinn_edge.bench.worker"),
) -> list[Row]:
    """Run one job in a fresh process and return its rows: batch by batch, boundary by boundary.

    The parent sleeps on the pipe meanwhile. A crash, a hang or a torn result becomes a failed row;
    the rows that were finished before it stay.

    Args:
        job: what to do.
        timeout_s: after which the worker and its children are killed.
        command: the program to start.
    """
    environment = os.environ | dict.fromkeys(WORKER_THREAD_VARIABLES, str(job.options.threads))
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",  # a crash may write anything
        env=environment,
        start_new_session=True,  # so that a compiler which it started ends with it
    )
    try:
        output, errors = process.communicate(json.dumps(encode(job)), timeout=timeout_s)
        reason = _why_it_ended(process.returncode)
    except subprocess.TimeoutExpired:
        _kill_group(process)
        output, errors = process.communicate()
        reason = f"it hung: nothing for {timeout_s:g} s, then killed; allow more with --timeout"
    except BaseException:
        _kill_group(process)
        process.communicate()
        raise
    rows, planned = _read_results(output)
    done = {(row.batch, row.boundary) for row in rows}
    said = [line.strip() for line in errors.splitlines() if line.strip(" ^~")]  # no underlines
    tail = " | ".join(said[-_STDERR_LINES:])
    why = f"{reason}: {tail}" if tail else reason
    lost = [
        row for batch in job.batches for row in failed_rows(job, batch, why, boundaries=planned)
    ]
    return rows + [row for row in lost if (row.batch, row.boundary) not in done]


def _read_results(output: str) -> tuple[list[Row], tuple[str, ...]]:
    """Return the rows that were finished, and the boundaries that the worker had planned."""
    rows: list[Row] = []
    planned: tuple[str, ...] = ()
    for line in output.split("\n")[:-1]:  # after the last line's end stands half a line or nothing
        try:
            data = json.loads(line)
            if isinstance(data, dict) and "boundaries" in data:
                planned = decode(Plan, data, where="worker").boundaries
            else:
                rows.append(row_from_json(data))
        except (ValueError, BundleError):  # torn: what follows is not to be trusted either
            break
    return rows, planned


def _why_it_ended(code: int) -> str:
    if code < 0:
        known = {int(number): number.name for number in signal.Signals}
        name = known.get(-code, f"signal {-code}")
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"the runtime's process was ended by {name}{hint}"
    return f"the runtime's process ended with exit code {code}"


def _kill_group(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
