"""The machine that a measurement was made on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spinn_edge import __version__
from spinn_edge.bench.machine.gpu_state import GpuState, read_gpu_state
from spinn_edge.bench.machine.machine_files import ROOT, read_bytes_line, read_integer, read_text
from spinn_edge.core.errors import RuntimeUnavailableError
from spinn_edge.core.optional import installed_version

_PACKAGES = (
    "numpy",
    "scipy",
    "torch",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt-rtx",
    "cuda-bindings",
)
WORKER_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Every worker gets these with the value of ``--threads``, whatever the user has set."""

THREAD_VARIABLES = (
    *WORKER_THREAD_VARIABLES,
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "MKL_DYNAMIC",
    "OMP_DYNAMIC",
    "OMP_PLACES",
    "OMP_PROC_BIND",
    "OMP_SCHEDULE",
    "OMP_THREAD_LIMIT",
    "OMP_WAIT_POLICY",
    "GOMP_CPU_AFFINITY",
    "GOMP_SPINCOUNT",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "KMP_SETTINGS",
)
_ALLOCATORS = ("jemalloc", "tcmalloc", "mimalloc")
_ALLOCATOR_VARIABLES = ("MALLOC_", "MIMALLOC_", "TCMALLOC_", "GLIBC_TUNABLES")
_CPUS = Path("sys/devices/system/cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a reader needs to judge a number.

    None stands for what this machine does not tell, or what an older version did not ask.

    Attributes:
        cpu: model name.
        cores: logical processors of the machine.
        affinity: how many processors this process may use.
        load_1min: load average at the start.
        gpu: name, driver and compute capability, or why there is none.
        system: operating system and kernel.
        python: version of the interpreter.
        packages: versions of what is installed.
        usable_processors: numbers of the processors that this process may use.
        governors: CPU governors of the usable processors, each once.
        frequency_driver: what sets the CPU's clock, ``intel_pstate``.
        frequency_hz: clock of the slowest usable processor when it was read; low on an idle one.
        frequency_limit_hz: highest clock that any usable processor is allowed.
        max_frequency_hz: highest clock that any usable processor can have.
        turbo: the clock may rise above its nominal value while heat and power allow it.
        smt: cores run two threads or more at once.
        memory_bytes: of the whole machine.
        allocator: what serves ``malloc``, and the variables set for it.
        virtual_machine: a hypervisor is below.
        container: this process is in one.
        on_battery: a battery of the machine is being emptied.
        thread_variables: those of ``THREAD_VARIABLES`` that are set.
        gpu_state: clocks and limits of the GPU.
    """

    cpu: str
    cores: int
    affinity: int
    load_1min: float | None
    gpu: str
    system: str
    python: str
    packages: Mapping[str, str]
    usable_processors: tuple[int, ...] = ()
    governors: tuple[str, ...] | None = None
    frequency_driver: str | None = None
    frequency_hz: int | None = None
    frequency_limit_hz: int | None = None
    max_frequency_hz: int | None = None
    turbo: bool | None = None
    smt: bool | None = None
    memory_bytes: int | None = None
    allocator: str | None = None
    virtual_machine: bool | None = None
    container: bool | None = None
    on_battery: bool | None = None
    thread_variables: Mapping[str, str] = field(default_factory=dict)
    gpu_state: GpuState | None = None


def describe_environment(
    root: Path = ROOT, variables: Mapping[str, str] = os.environ
) -> Environment:
    """Read the machine; runs nothing and changes nothing.

    Args:
        root: folder below which ``proc`` and ``sys`` stand.
        variables: the process environment.
    """
    packages = {"spinn-edge": __version__}
    packages |= {name: found for name in _PACKAGES if (found := installed_version(name))}
    usable = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
    gpu, gpu_state = _gpu(variables)
    return Environment(
        cpu=_cpu_model(root),
        cores=os.cpu_count() or 1,
        affinity=len(usable),
        load_1min=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        gpu=gpu,
        system=platform.platform(),
        python=platform.python_version(),
        packages=packages,
        usable_processors=usable,
        governors=_of_cpufreq(root, usable, "scaling_governor") or None,
        frequency_driver=next(iter(_of_cpufreq(root, usable, "scaling_driver")), None),
        frequency_hz=min(_frequencies_hz(root, usable, "scaling_cur_freq"), default=None),
        frequency_limit_hz=max(_frequencies_hz(root, usable, "scaling_max_freq"), default=None),
        max_frequency_hz=max(_frequencies_hz(root, usable, "cpuinfo_max_freq"), default=None),
        turbo=_turbo(root),
        smt=_switch(root / _CPUS / "smt/active"),
        memory_bytes=read_bytes_line(root / "proc/meminfo", "MemTotal"),
        allocator=_allocator(variables),
        virtual_machine=_virtual_machine(root),
        container=_container(root, variables),
        on_battery=_on_battery(root),
        thread_variables={name: variables[name] for name in THREAD_VARIABLES if name in variables},
        gpu_state=gpu_state,
    )


def _cpu_model(root: Path) -> str:
    named = _of_cpuinfo(root, "model name", "Model")
    return named or platform.processor() or platform.machine()


def _of_cpuinfo(root: Path, *keys: str) -> str:
    """Return the first value of one of ``keys``; empty without one."""
    for line in (read_text(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in keys:
            return value.strip()
    return ""


def _of_cpufreq(root: Path, processors: Sequence[int], name: str) -> tuple[str, ...]:
    """Return what the processors' files called ``name`` say, each answer once, in their order."""
    paths = (root / _CPUS / f"cpu{number}/cpufreq/{name}" for number in processors)
    return tuple(dict.fromkeys(said for path in paths if (said := read_text(path))))


def _frequencies_hz(root: Path, processors: Sequence[int], name: str) -> list[int]:
    """Return clocks.

    Source: Linux kernel, CPU Performance Scaling, section Policy Interface in sysfs: in kHz.
    """
    said = _of_cpufreq(root, processors, name)
    return [int(kilohertz) * 1000 for kilohertz in said if kilohertz.isdecimal()]


def _turbo(root: Path) -> bool | None:
    off = read_integer(root / _CPUS / "intel_pstate/no_turbo")
    if off is not None:
        return off == 0
    return _switch(root / _CPUS / "cpufreq/boost")


def _switch(path: Path) -> bool | None:
    said = read_integer(path)
    return None if said is None else said == 1


def _allocator(variables: Mapping[str, str]) -> str | None:
    preloaded = [
        Path(part).name for part in variables.get("LD_PRELOAD", "").replace(":", " ").split()
    ]
    named = [name for name in preloaded if any(known in name for known in _ALLOCATORS)]
    library = f"{named[0]} (LD_PRELOAD)" if named else " ".join(platform.libc_ver()).strip()
    settings = [
        f"{name}={value}"
        for name, value in sorted(variables.items())
        if name.startswith(_ALLOCATOR_VARIABLES)
    ]
    return ", ".join(filter(None, [library, *settings])) or None


def _virtual_machine(root: Path) -> bool | None:
    """Look for the flag that x86 processors show below a hypervisor, and for Xen's folder."""
    if (root / "sys/hypervisor/type").exists():
        return True
    flags = _of_cpuinfo(root, "flags")
    return "hypervisor" in flags.split() if flags else None


def _container(root: Path, variables: Mapping[str, str]) -> bool | None:
    """Look for the marks of Docker, Podman and systemd-nspawn; None where there is no /proc."""
    if not (root / "proc").exists():
        return None
    marks = (".dockerenv", "run/.containerenv", "run/systemd/container")
    return "container" in variables or any((root / mark).exists() for mark in marks)


def _on_battery(root: Path) -> bool | None:
    """Look at the machine's own batteries, not at those of a mouse; None without one."""
    states = [
        read_text(supply / "status")
        for supply in sorted((root / "sys/class/power_supply").glob("*"))
        if read_text(supply / "type") == "Battery" and read_text(supply / "scope") != "Device"
    ]
    return "Discharging" in states if any(states) else None


def _gpu(variables: Mapping[str, str]) -> tuple[str, GpuState | None]:
    from spinn_edge.runtimes.nvidia.driver import find_device

    try:
        device = find_device()
    except RuntimeUnavailableError as exc:
        return f"none: {exc}", None
    words = f"{device.label}, driver for CUDA {device.driver_version}"
    return words, read_gpu_state(device.name, variables)
