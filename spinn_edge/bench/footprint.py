"""What a runtime costs before the first steady inference: time, memory, energy.

For use inside the worker's process, which has opened one runtime on one bundle and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from spinn_edge.bench.machine_files import (
    ROOT,
    as_integer,
    read_bytes_line,
    read_integer,
    read_text,
)

Clock = Callable[[], float]

IMPORT, LOAD, FIRST_INFERENCE = "import", "load", "first inference"

FEWEST_ENERGY_WINDOW_S = 1.0
"""Shortest window of which energy is told. The counters move about once a millisecond and count the
whole processor, so that a shorter window shows what else it did then.

Source: Intel Software Developer's Manual, volume 3, section Running Average Power Limit (RAPL).
"""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyMeter:
    """Energy of the machine's processors between two readings, through RAPL.

    It counts whole processor packages, without their memory: other programs' share, and that of
    idle cores, is in it.
    """

    root: Path
    clock: Clock
    started_s: float
    before_uj: dict[str, int]

    @classmethod
    def start(cls, *, clock: Clock = time.perf_counter, root: Path = ROOT) -> EnergyMeter:
        """Take the first reading."""
        return cls(root=root, clock=clock, started_s=clock(), before_uj=_package_energy_uj(root))

    def stop(self) -> float | None:
        """Take the second reading and return joules.

        Returns:
            None where a counter cannot be read (most systems let only root read it), and where
            the window is shorter than ``FEWEST_ENERGY_WINDOW_S``.

        Source: Linux kernel, Power Capping Framework: energy_uj in microjoules, which starts again
        from 0 behind max_energy_range_uj.
        """
        after_uj = _package_energy_uj(self.root)
        window_s = self.clock() - self.started_s
        if window_s < FEWEST_ENERGY_WINDOW_S or after_uj.keys() != self.before_uj.keys():
            return None
        used_uj = 0
        for zone, before in self.before_uj.items():
            grown = after_uj[zone] - before
            if grown < 0:
                range_uj = read_integer(_zones(self.root) / zone / "max_energy_range_uj")
                if range_uj is None:
                    return None
                grown += range_uj
            used_uj += grown
        return used_uj / 1e6 if self.before_uj else None


def _zones(root: Path) -> Path:
    return root / "sys/class/powercap"


def _package_energy_uj(root: Path) -> dict[str, int]:
    """Return the counter of every package by its zone; nothing where one cannot be read.

    Zones inside a package (``intel-rapl:0:0``) and ``psys``, the whole board, count the same energy
    again.
    """
    packages = [
        zone
        for zone in sorted(_zones(root).glob("intel-rapl:*"))
        if (read_text(zone / "name") or "").startswith("package")
    ]
    found = {zone.name: read_integer(zone / "energy_uj") for zone in packages}
    known = {name: value for name, value in found.items() if value is not None}
    return known if len(known) == len(found) else {}
