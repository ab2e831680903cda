"""What else the machine did during a run: two readings, and nothing in between."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spinn_edge.bench.machine.machine_files import ROOT, as_integer, read_integer, read_text

Clock = Callable[[], float]

_COLUMNS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_BUSY = ("user", "nice", "system", "irq", "softirq")


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLoad:
    """What happened beside the measurement. None stands for what the system does not tell.

    Attributes:
        duration_s: time between the two readings.
        busy_share_others: CPU time of everything but ourselves and our children, over that of all
            processors of the machine: 0.5 is one of two processors. A process of ours that nobody
            waited for counts as another's.
        steal_share: likewise, time that a hypervisor gave to others while a processor of ours had
            work.
        parent_cpu_share: this process's own CPU time, its children left out, over the duration: 1
            is one processor.
        pressure_share: share of the time in which some process waited for a processor, ours
            included.
        load_1min_before: load average at the first reading.
        load_1min_after: at the second, our own work included.
        context_switches: on the whole machine.
        throttle_events: how often the processors' clocks were cut because of heat, added up.
    """

    duration_s: float
    busy_share_others: float | None = None
    steal_share: float | None = None
    parent_cpu_share: float | None = None
    pressure_share: float | None = None
    load_1min_before: float | None = None
    load_1min_after: float | None = None
    context_switches: int | None = None
    throttle_events: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """Where a watch looks; tests put fakes there.

    Attributes:
        root: folder below which ``proc`` and ``sys`` stand.
        clock: seconds.
        own_cpu_s: CPU time of this process, all its threads, without its children.
        children_cpu_s: CPU time of the children that have ended and were waited for, and of theirs.
        ticks_per_s: unit of ``/proc/stat``.
    """

    root: Path = ROOT
    clock: Clock = time.monotonic
    own_cpu_s: Clock = time.process_time
    children_cpu_s: Clock = lambda: os.times().children_user + os.times().children_system
    ticks_per_s: int = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    at_s: float
    own_cpu_s: float
    children_cpu_s: float
    ticks: dict[str, int] | None
    context_switches: int | None
    waited_us: int | None
    load_1min: float | None
    throttle_events: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadWatch:
    """The first reading, which waits for the second. No thread runs meanwhile."""

    probes: Probes
    before: _Reading

    @classmethod
    def start(cls, probes: Probes | None = None) -> LoadWatch:
        """Take the first reading."""
        probes = probes or Probes()
        return cls(probes=probes, before=_read(probes))

    def stop(self) -> MachineLoad:
        """Take the second reading; call it when every child has ended and was waited for."""
        before, after = self.before, _read(self.probes)
        duration_s = after.at_s - before.at_s
        own_s = after.own_cpu_s - before.own_cpu_s
        ours_s = own_s + after.children_cpu_s - before.children_cpu_s
        busy, steal = _shares(before.ticks, after.ticks, ours_s * self.probes.ticks_per_s)
        waited_us = _grown(before.waited_us, after.waited_us)
        measurable = duration_s > 0
        return MachineLoad(
            duration_s=duration_s,
            busy_share_others=busy,
            steal_share=steal,
            parent_cpu_share=own_s / duration_s if measurable else None,
            pressure_share=(
                waited_us / 1e6 / duration_s if waited_us is not None and measurable else None
            ),
            load_1min_before=before.load_1min,
            load_1min_after=after.load_1min,
            context_switches=_grown(before.context_switches, after.context_switches),
            throttle_events=_grown(before.throttle_events, after.throttle_events),
        )


def _shares(
    before: dict[str, int] | None, after: dict[str, int] | None, our_ticks: float
) -> tuple[float | None, float | None]:
    """Return the others' share of the capacity, and the hypervisor's."""
    if before is None or after is None:
        return None, None
    # idle and iowait may run backwards (proc(5)): a step back is no time
    grown = {name: max(0, after[name] - before[name]) for name in _COLUMNS}
    capacity = sum(grown.values())
    if capacity == 0:
        return None, None
    # below 0 when the kernel's two ways of counting disagree by a tick
    others = max(0.0, sum(grown[name] for name in _BUSY) - our_ticks)
    return others / capacity, grown["steal"] / capacity


def _grown(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)


def _read(probes: Probes) -> _Reading:
    stat = _stat_lines(probes.root)
    switches = stat.get("ctxt")
    return _Reading(
        at_s=probes.clock(),
        own_cpu_s=probes.own_cpu_s(),
        children_cpu_s=probes.children_cpu_s(),
        ticks=_ticks(stat.get("cpu")),
        context_switches=as_integer(switches[0]) if switches else None,
        waited_us=_waited_us(probes.root),
        load_1min=_load_1min(probes.root),
        throttle_events=_throttle_events(probes.root),
    )


def _stat_lines(root: Path) -> dict[str, list[str]]:
    lines = [line.split() for line in (read_text(root / "proc/stat") or "").splitlines()]
    return {words[0]: words[1:] for words in lines if words}


def _ticks(values: list[str] | None) -> dict[str, int] | None:
    """Name the columns.

    Guests' time is left out: it is part of user and nice already.

    Source: proc(5), /proc/stat.
    """
    numbers = [as_integer(value) for value in (values or [])[: len(_COLUMNS)]]
    known = [number for number in numbers if number is not None]
    if len(known) != len(_COLUMNS):
        return None
    return dict(zip(_COLUMNS, known, strict=True))


def _waited_us(root: Path) -> int | None:
    """Return for how long some process has waited for a processor, since boot, in microseconds.

    Source: Linux kernel, PSI - Pressure Stall Information.
    """
    for line in (read_text(root / "proc/pressure/cpu") or "").splitlines():
        if line.startswith("some "):
            return as_integer(line.rpartition("total=")[2])
    return None


def _load_1min(root: Path) -> float | None:
    words = (read_text(root / "proc/loadavg") or "").split()
    try:
        return float(words[0]) if words else None
    except ValueError:
        return None


def _throttle_events(root: Path) -> int | None:
    files = (root / "sys/devices/system/cpu").glob("cpu*/thermal_throttle/core_throttle_count")
    counts = [count for file in files if (count := read_integer(file)) is not None]
    return sum(counts) if counts else None
