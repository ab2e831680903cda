"""The bench worker with a runtime that does what the bundle's name says: wait busily, or fail."""

from __future__ import annotations

import ctypes
import itertools
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spinn_edge.bench.machine.machine_files import read_bytes_line
from spinn_edge.bench.processes import worker
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.tensors import Array, Feeds
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions
from tests.fakes import runtime as fakes

PLAIN_NS = 200_000
FACTORS = {"plain": (1.0,), "slow15": (1.15,), "tail": (5.0, *(1.0,) * 32)}
"""By bundle name, how long each of a cycle of runs takes; one in 33 is 3 %."""
BLOCK_BYTES, WRITTEN_BYTES = 64 * 2**20, 2 * 2**30
TAKEN_NAME = "taken.json"
"""What the runtime ``endless`` leaves in its bundle's folder: how much it got."""
_KEPT: list[Array] = []
FATE = Path("/proc/self/oom_score_adj")


class Busy(fakes.FakeRuntime):
    """Waits without giving the processor away."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._waits_ns = itertools.cycle([int(PLAIN_NS * factor) for factor in FACTORS[name]])

    def run(self) -> None:
        end = time.perf_counter_ns() + next(self._waits_ns)
        super().run()
        while time.perf_counter_ns() < end:
            pass


def segfault(feeds: Feeds, root: Path) -> dict[str, Array]:
    """Read address 0."""
    ctypes.string_at(0)
    raise AssertionError("address 0 could be read")


def hang(feeds: Feeds, root: Path) -> dict[str, Array]:
    """Never return."""
    while True:
        time.sleep(3600)


def endless(feeds: Feeds, root: Path) -> dict[str, Array]:
    """Take memory and keep it, until there is none; leave a note of how much that was.

    Only the first ``WRITTEN_BYTES`` are written to. The limit counts what is reserved, and filling
    all of a machine takes half a minute and the page cache of whoever else works on it.
    """
    # Should the limit not hold, the kernel ends this process and nobody else's.
    FATE.write_text("1000", encoding="ascii")
    try:
        while True:
            write = len(_KEPT) * BLOCK_BYTES < WRITTEN_BYTES
            _KEPT.append((np.ones if write else np.empty)(BLOCK_BYTES, np.uint8))
    except MemoryError:
        resident = read_bytes_line(Path("/proc/self/status"), "VmRSS")
        note = {
            "taken_bytes": len(_KEPT) * BLOCK_BYTES,
            "resident_bytes": resident,
            "limit_bytes": resource.getrlimit(resource.RLIMIT_DATA)[0],
        }
        (root / TAKEN_NAME).write_text(json.dumps(note), encoding="utf-8")
        raise


def nan(feeds: Feeds, root: Path) -> dict[str, Array]:
    """Return nothing that is a number."""
    return {"y": np.full_like(feeds["x"], np.nan)}


FAILURES: dict[str, Callable[[Feeds, Path], dict[str, Array]]] = {
    "segfault": segfault,
    "hang": hang,
    "endless": endless,
    "nan": nan,
}
"""By bundle name, what a run does instead."""


def open_planted(bundle: Bundle, options: OpenOptions) -> fakes.FakeRuntime:
    """Open the runtime that the bundle's name asks for."""
    failure = FAILURES.get(bundle.root.name)
    if failure is None:
        return Busy(bundle.root.name)
    return fakes.FakeRuntime(lambda feeds: failure(feeds, bundle.root))


if __name__ == "__main__":
    registry.RUNTIMES["planted"] = fakes.ENTRY
    fakes.open_fake = open_planted
    worker.main()
