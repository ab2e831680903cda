"""What a runtime costs before the first steady inference: time and memory.

For use inside the worker's process, which has opened one runtime on one bundle and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spinn_edge.bench.machine.machine_files import ROOT, as_integer, read_bytes_line, read_text

Clock = Callable[[], float]

IMPORT, LOAD, FIRST_INFERENCE = "import", "load", "first inference"

_START_TIME_FIELD = 22
"""Of /proc/self/stat, counted from 1: start of the process in ticks since boot (proc(5))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What one worker process paid. None stands for what was not reached or cannot be read.

    Attributes:
        start_s: from the start of the process to our first line: the interpreter, and what it
            imports before us. In steps of 10 ms.
        import_s: importing the runtime's library.
        load_s: from the bundle's file to a runtime that can be run.
        first_inference_s: with everything that is done once: compilation, allocation, tuning.
        peak_resident_bytes: most memory that the process has ever held at once, the interpreter,
            numpy and the library included.
        resident_after_load_bytes: memory that it held when the runtime was open.
        device_bytes: memory on the device.
    """

    start_s: float | None = None
    import_s: float | None = None
    load_s: float | None = None
    first_inference_s: float | None = None
    peak_resident_bytes: int | None = None
    resident_after_load_bytes: int | None = None
    device_bytes: int | None = None


def peak_resident_bytes(root: Path = ROOT) -> int | None:
    """Return the most memory that this process has held (VmHWM); None without /proc.

    Not VmPeak, which counts address space that was never touched, and not ``ru_maxrss``, which a
    child begins with its parent's peak.

    Source: proc(5), /proc/pid/status; getrusage(2).
    """
    return read_bytes_line(root / "proc/self/status", "VmHWM")


def resident_bytes(root: Path = ROOT) -> int | None:
    """Return the memory that this process holds now (VmRSS); None without /proc."""
    return read_bytes_line(root / "proc/self/status", "VmRSS")


def process_age_s(
    root: Path = ROOT,
    ticks_per_s: int = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100,
) -> float | None:
    """Return how long ago this process started; None where that cannot be read.

    Source: proc(5), /proc/pid/stat (field 22) and /proc/uptime.
    """
    # the name of the program, in parentheses, may hold blanks and parentheses
    fields = (read_text(root / "proc/self/stat") or "").rpartition(")")[2].split()
    behind_name = _START_TIME_FIELD - 3
    started_ticks = as_integer(fields[behind_name]) if len(fields) > behind_name else None
    uptime = (read_text(root / "proc/uptime") or "").split()
    try:
        now_s = float(uptime[0]) if uptime else None
    except ValueError:
        now_s = None
    if started_ticks is None or now_s is None:
        return None
    age_s = now_s - started_ticks / ticks_per_s
    # both are cut to a tick; more below 0 is an uptime of a container beside a start of its host
    return None if age_s < -1 / ticks_per_s else max(0.0, age_s)


class StageClock:
    """Takes the time of what a worker does once. Create it in the worker's first line.

    A stage that raises has no time. Each stage happens once.
    """

    def __init__(self, *, clock: Clock = time.perf_counter, root: Path = ROOT) -> None:
        self._start_s = process_age_s(root)
        self._clock = clock
        self._root = root
        self._durations_s: dict[str, float] = {}
        self._resident_after_load_bytes: int | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside.

        Args:
            name: ``IMPORT``, ``LOAD`` or ``FIRST_INFERENCE``.
        """
        assert name in (IMPORT, LOAD, FIRST_INFERENCE), name
        assert name not in self._durations_s, f"{name} was timed before"
        begin_s = self._clock()
        yield
        self._durations_s[name] = self._clock() - begin_s
        if name == LOAD:
            self._resident_after_load_bytes = resident_bytes(self._root)

    def footprint(self, *, device_bytes: int | None = None) -> Footprint:
        """Return what is known so far; the peak is read now.

        Args:
            device_bytes: memory on the device, for a runtime that can tell it.
        """
        return Footprint(
            start_s=self._start_s,
            import_s=self._durations_s.get(IMPORT),
            load_s=self._durations_s.get(LOAD),
            first_inference_s=self._durations_s.get(FIRST_INFERENCE),
            peak_resident_bytes=peak_resident_bytes(self._root),
            resident_after_load_bytes=self._resident_after_load_bytes,
            device_bytes=device_bytes,
        )
