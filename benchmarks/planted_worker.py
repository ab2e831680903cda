"""The bench worker with a runtime that waits busily: as long as the bundle's name says."""

from __future__ import annotations

import itertools
import time

from spinn_edge.bench import worker
from spinn_edge.core.bundle import Bundle
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions
from tests.fakes import runtime as fakes

PLAIN_NS = 200_000
FACTORS = {"plain": (1.0,), "slow15": (1.15,), "tail": (5.0, *(1.0,) * 32)}
"""By bundle name, how long each of a cycle of runs takes; one in 33 is 3 %."""


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


def open_busy(bundle: Bundle, options: OpenOptions) -> Busy:
    """Open the runtime that the bundle's name asks for."""
    return Busy(bundle.root.name)


if __name__ == "__main__":
    registry.RUNTIMES["planted"] = fakes.ENTRY
    fakes.open_fake = open_busy
    worker.main()
