"""Clocks and limits of the GPU, read through NVML where its bindings are installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spinn_edge.bench.machine.nvml import LoadBindings, ask, first_gpu, load_bindings, opened_nvml

_SLOWDOWNS = {
    0x04: "its power limit",
    0x08: "the hardware (heat or power)",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "the power brake",
}
"""Bits that mean less than the clock which was asked for. An idle GPU and clocks that a user has
set have bits of their own, and are left out.

Source: NVML API Reference, section NvmlClocksEventReasons.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuState:
    """What a GPU's clock and power were when they were read; None for what it does not tell.

    Attributes:
        driver: version of the kernel driver, ``580.65.06``.
        clock_hz: of the multiprocessors; low on an idle GPU.
        max_clock_hz: highest that they can have.
        memory_clock_hz: of its memory.
        power_limit_w: that the driver enforces.
        persistence: the driver keeps the GPU initialised while nobody uses it.
        slowed_by: what held the clock down at that moment; empty where nothing did, or unknown.
    """

    driver: str | None
    clock_hz: int | None
    max_clock_hz: int | None
    memory_clock_hz: int | None
    power_limit_w: float | None
    persistence: bool | None
    slowed_by: tuple[str, ...] = ()


def read_gpu_state(
    name: str, variables: Mapping[str, str], load: LoadBindings = load_bindings
) -> GpuState | None:
    """Ask NVML about the GPU that CUDA shows first; runs nothing on it and changes nothing.

    Args:
        name: the GPU's, as CUDA has it.
        variables: the process environment.
        load: returns the module ``pynvml`` of the package ``nvidia-ml-py``.

    Returns:
        None without the bindings, without a driver and where it is not known which GPU it is.

    Source: NVML API Reference, section Device Queries; clocks in MHz, power in milliwatts.
    """
    with opened_nvml(load) as nvml:
        handle = None if nvml is None else first_gpu(nvml, name, variables)
        return None if handle is None else _read(nvml, handle)


def _read(nvml: Any, handle: Any) -> GpuState:
    limit_mw = ask(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    persistence = ask(nvml, nvml.nvmlDeviceGetPersistenceMode, handle)
    reasons = ask(nvml, nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
    return GpuState(
        driver=ask(nvml, nvml.nvmlSystemGetDriverVersion),
        clock_hz=_clock(nvml, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM),
        max_clock_hz=_clock(nvml, nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_SM),
        memory_clock_hz=_clock(nvml, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM),
        power_limit_w=None if limit_mw is None else limit_mw / 1000,
        persistence=None if persistence is None else persistence == nvml.NVML_FEATURE_ENABLED,
        slowed_by=tuple(words for bit, words in _SLOWDOWNS.items() if reasons & bit),
    )


def _clock(nvml: Any, query: Callable[..., Any], handle: Any, domain: int) -> int | None:
    megahertz = ask(nvml, query, handle, domain)
    return None if megahertz is None else int(megahertz) * 1_000_000
