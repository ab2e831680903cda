"""The machine that a measurement was made on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from spinn_edge import __version__
from spinn_edge.core.errors import RuntimeUnavailableError
from spinn_edge.core.optional import installed_version

_PACKAGES = (
    "numpy",
    "torch",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "tensorrt",
    "tensorrt-rtx",
    "cuda-bindings",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a reader needs to judge a number.

    Attributes:
        cpu: model name.
        cores: logical processors of the machine.
        affinity: processors that this process may use.
        load_1min: load average at the start; None where the system has none.
        gpu: name, driver and compute capability, or why there is none.
        system: operating system and kernel.
        python: version of the interpreter.
        packages: versions of what is installed.
    """

    cpu: str
    cores: int
    affinity: int
    load_1min: float | None
    gpu: str
    system: str
    python: str
    packages: Mapping[str, str]


def describe_environment() -> Environment:
    """Read the machine; runs nothing and changes nothing."""
    packages = {"spinn-edge": __version__}
    packages |= {name: found for name in _PACKAGES if (found := installed_version(name))}
    return Environment(
        cpu=_cpu_model(),
        cores=os.cpu_count() or 1,
        affinity=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        load_1min=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        gpu=_gpu(),
        system=platform.platform(),
        python=platform.python_version(),
        packages=packages,
    )


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return value.strip()
    return platform.processor() or platform.machine()


def _gpu() -> str:
    from spinn_edge.runtimes.nvidia.driver import find_device

    try:
        return str(find_device())
    except RuntimeUnavailableError as exc:
        return f"none: {exc}"
