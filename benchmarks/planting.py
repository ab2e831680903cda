"""The runtime ``planted``, in this process's registry and in the workers that it starts."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spinn_edge.bench.processes import contenders
from spinn_edge.bench.processes.launch import run_in_process, run_started_together
from spinn_edge.runtimes import registry
from tests.fakes.runtime import ENTRY

WORKER = Path(__file__).resolve().parent / "planted_worker.py"


@contextmanager
def planted_runtime() -> Iterator[None]:
    """Register it and let ``planted_worker.py`` take the worker's place, for a while."""
    command = (sys.executable, str(WORKER))
    registry.RUNTIMES["planted"] = ENTRY
    contenders.run_in_process = functools.partial(run_in_process, command=command)  # type: ignore[attr-defined]
    contenders.run_started_together = functools.partial(  # type: ignore[attr-defined]
        run_started_together, command=command
    )
    try:
        yield
    finally:
        contenders.run_in_process = run_in_process  # type: ignore[attr-defined]
        contenders.run_started_together = run_started_together  # type: ignore[attr-defined]
        del registry.RUNTIMES["planted"]
