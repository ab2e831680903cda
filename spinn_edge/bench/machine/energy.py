"""Energy between two readings of the machine's own counters: processors, and the GPU."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinn_edge.bench.machine.machine_files import ROOT, read_integer, read_text
from spinn_edge.bench.machine.nvml import LoadBindings, ask, first_gpu, load_bindings, open_nvml
from spinn_edge.core.errors import RuntimeUnavailableError

Clock = Callable[[], float]

PROCESSORS, GPU = "processors (RAPL)", "GPU (NVML)"
"""What an energy can be of: all processor packages without their memory, and the one GPU that CUDA
shows first, its memory included. Other programs' share, and that of idle cores, is in both."""

FEWEST_ENERGY_WINDOW_S = 1.0
"""Shortest window of which energy is told. The processors' counters move about once a millisecond,
a GPU's every 20 to 100 ms, and both count all that their device does.

Source: Intel Software Developer's Manual, volume 3, section Running Average Power Limit (RAPL);
PETSc, manual page PetscLogGpuEnergyMeter, for the GPU.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What the counters rose by.

    Attributes:
        joules: of all sources together.
        window_s: between the two readings.
        sources: ``PROCESSORS``, ``GPU`` or both; energies of other sources are not compared.
    """

    joules: float
    window_s: float
    sources: tuple[str, ...]


def _name_of_gpu() -> str | None:
    from spinn_edge.runtimes.nvidia.driver import find_device

    try:
        return find_device().name
    except RuntimeUnavailableError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuCounter:
    """One GPU's counter, NVML open: opening it takes time, which must not lie in the window."""

    nvml: Any
    handle: Any

    def read(self) -> int | None:
        """Return millijoules since the driver was loaded; None before Volta.

        Source: NVML API Reference, nvmlDeviceGetTotalEnergyConsumption.
        """
        query = self.nvml.nvmlDeviceGetTotalEnergyConsumption
        millijoules = ask(self.nvml, query, self.handle)
        return None if millijoules is None else int(millijoules)

    def close(self) -> None:
        """Leave NVML; nothing is read afterwards."""
        self.nvml.nvmlShutdown()


def open_gpu_counter(
    load: LoadBindings = load_bindings,
    variables: Mapping[str, str] = os.environ,
    name_of_gpu: Callable[[], str | None] = _name_of_gpu,
) -> GpuCounter | None:
    """Open NVML on the GPU that CUDA shows first; None where it is not known which that is.

    Args:
        load: returns the module ``pynvml``.
        variables: the process environment.
        name_of_gpu: asks the driver for the GPU's name; None without a GPU.
    """
    name = name_of_gpu()
    nvml = None if name is None else open_nvml(load)
    if name is None or nvml is None:
        return None
    handle = first_gpu(nvml, name, variables)
    if handle is None:
        nvml.nvmlShutdown()
        return None
    return GpuCounter(nvml=nvml, handle=handle)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyMeter:
    """Two readings of the counters, and what they rose by. Each meter is stopped once."""

    root: Path
    clock: Clock
    started_s: float
    before_uj: dict[str, int]
    gpu: GpuCounter | None
    gpu_before_mj: int | None

    @classmethod
    def start(
        cls,
        gpu: bool = False,
        *,
        clock: Clock = time.perf_counter,
        root: Path = ROOT,
        open_gpu: Callable[[], GpuCounter | None] = open_gpu_counter,
    ) -> EnergyMeter:
        """Take the first reading.

        Args:
            gpu: of the GPU that CUDA shows first, too.
            clock: monotonic, seconds.
            root: below which ``sys`` stands.
            open_gpu: opens the GPU's counter.
        """
        counter = open_gpu() if gpu else None
        return cls(
            root=root,
            clock=clock,
            gpu=counter,
            gpu_before_mj=counter.read() if counter else None,
            before_uj=_package_energy_uj(root),
            started_s=clock(),
        )

    def stop(self) -> Energy | None:
        """Take the second reading.

        Returns:
            None where no counter can be read (most systems let only root read the processors'), and
            where the window is shorter than ``FEWEST_ENERGY_WINDOW_S``.
        """
        window_s = self.clock() - self.started_s
        found = {PROCESSORS: self._processors_j(), GPU: self._gpu_j()}
        known = {source: joules for source, joules in found.items() if joules is not None}
        if self.gpu is not None:
            self.gpu.close()
        if window_s < FEWEST_ENERGY_WINDOW_S or not known:
            return None
        return Energy(joules=sum(known.values()), window_s=window_s, sources=tuple(known))

    def _processors_j(self) -> float | None:
        """Return what the packages used; None where one of their counters cannot be read.

        Source: Linux kernel, Power Capping Framework: energy_uj in microjoules, which starts again
        from 0 behind max_energy_range_uj.
        """
        after_uj = _package_energy_uj(self.root)
        if not self.before_uj or after_uj.keys() != self.before_uj.keys():
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
        return used_uj / 1e6

    def _gpu_j(self) -> float | None:
        """Return what the GPU used; None too where its counter began again, with its driver."""
        after_mj = self.gpu.read() if self.gpu else None
        if self.gpu_before_mj is None or after_mj is None or after_mj < self.gpu_before_mj:
            return None
        return (after_mj - self.gpu_before_mj) / 1e3


def energy_readable(
    gpu: bool = False,
    *,
    root: Path = ROOT,
    open_gpu: Callable[[], GpuCounter | None] = open_gpu_counter,
) -> bool:
    """Tell whether a meter would say anything, so that a window of a second is worth its time.

    Args:
        gpu: as in :meth:`EnergyMeter.start`.
        root: below which ``sys`` stands.
        open_gpu: opens the GPU's counter.
    """
    if _package_energy_uj(root):
        return True
    counter = open_gpu() if gpu else None
    if counter is None:
        return False
    try:
        return counter.read() is not None
    finally:
        counter.close()


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
