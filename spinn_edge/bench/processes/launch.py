"""Starting workers, and turning whatever becomes of them into rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from spinn_edge.bench.machine.footprint import Footprint
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.exchange import Exchange, Program, exchange
from spinn_edge.bench.processes.worker import Job, Plan, failed_rows, row_from_json
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import BundleError

WORKER = (sys.executable, "-m", "spinn_edge.bench.processes.worker")


def run_in_process(
    job: Job,
    *,
    timeout_s: float,
    command: Sequence[str] = WORKER,
) -> list[Row]:
    """Run one job in a fresh process and return its rows: batch by batch, boundary by boundary.

    The parent sleeps on the pipe meanwhile. A crash, a hang or a torn result becomes a failed row;
    the rows that were finished before it stay.

    Args:
        job: what to do.
        timeout_s: after which the worker and its children are killed.
        command: the program to start.
    """
    text, threads = json.dumps(encode(job)), job.options.threads
    return _rows_of(job, exchange(text, command=command, threads=threads, timeout_s=timeout_s))


def run_started_together(
    jobs: Sequence[Job],
    *,
    timeout_s: float,
    command: Sequence[str] = WORKER,
) -> list[list[Row]]:
    """Run jobs in fresh processes that start at the same time and then work one after the other.

    Each imports, opens its bundle and runs once; only when all are ready does the first begin to
    take time, while the others sleep on their pipes. Their footprints keep no times: a start beside
    another's says nothing of one alone.

    Args:
        jobs: what to do, in this order.
        timeout_s: for the start of each, and again for its work.
        command: the program to start.

    Returns:
        The rows of each job.
    """
    found = []
    with ExitStack() as stack:
        programs = [
            stack.enter_context(
                Program(json.dumps(encode(job)), command=command, threads=job.options.threads)
            )
            for job in jobs
        ]
        for program in programs:
            program.wait_for_line(timeout_s)
        for job, program in zip(jobs, programs, strict=True):
            rows = _rows_of(job, program.finish(timeout_s))
            found.append([replace(row, footprints=_without_times(row)) for row in rows])
    return found


def _without_times(row: Row) -> tuple[Footprint, ...]:
    gone = dict.fromkeys(("start_s", "import_s", "load_s", "first_inference_s"))
    return tuple(replace(footprint, **gone) for footprint in row.footprints)


def _rows_of(job: Job, ended: Exchange) -> list[Row]:
    """Return what a worker finished, and failed rows for what it did not."""
    rows, planned = _read_results(ended.output)
    done = {_place(row) for row in rows}
    batches = job.batches or (() if ended.returncode == 0 else _batches_of_sweep(rows))
    lost = [
        row
        for batch in batches
        for row in failed_rows(job, batch, ended.ending, boundaries=planned)
    ]
    return rows + [row for row in lost if _place(row) not in done]


def _place(row: Row) -> tuple[int, str, float | None]:
    return row.batch, row.boundary, row.rate_per_s


def _batches_of_sweep(rows: Sequence[Row]) -> tuple[int, ...]:
    """Return the sizes that a sweep timed, and the one at which it must have been lost."""
    timed = dict.fromkeys(row.batch for row in rows)
    return (*timed, 2 * max(timed, default=0) or 1)


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
