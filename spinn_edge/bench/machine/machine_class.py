"""Which machines may be compared, and what else differs between two results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spinn_edge.bench.machine.environment import Environment

_ARCHITECTURE = re.compile(
    r"(?<![a-z0-9])(x86_64|amd64|aarch64|arm64|armv\d\w*|ppc64le|s390x|riscv64|i[3-6]86)"
    r"(?![a-z0-9])",
    re.IGNORECASE,
)
_ALIASES = {"amd64": "x86_64", "arm64": "aarch64"}
_TORCH, _ORT = ("torch",), ("onnxruntime", "onnxruntime-gpu")
_PACKAGES = {
    "eager": _TORCH,
    "compile": _TORCH,
    "torchscript": _TORCH,
    "pt2": _TORCH,
    "ort": (*_ORT, "cuda-bindings"),
    "trt": ("tensorrt", "tensorrt-rtx", "cuda-bindings"),
}
"""Packages behind a runtime, by the first word of its name."""
_EVERYWHERE = ("spinn-edge", "numpy")
_SETTINGS = {
    "affinity": "usable processors:",
    "governors": "CPU governor",
    "turbo": "turbo:",
    "smt": "SMT:",
    "allocator": "allocator",
    "virtual_machine": "virtual machine:",
    "container": "container:",
    "on_battery": "on battery:",
    "thread_variables": "thread variables",
}
"""What anybody can set on one machine, and how a warning calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineClass:
    """What two results must share before their times say anything about the software.

    Attributes:
        cpu: model name.
        cores: logical processors of the machine.
        architecture: ``x86_64`` or ``aarch64``; empty where the system's description has none.
        gpu: name; ``none`` without one, whatever the reason.
    """

    cpu: str
    cores: int
    architecture: str
    gpu: str

    @classmethod
    def of(cls, environment: Environment) -> MachineClass:
        """Read it off an environment; a driver's or a kernel's version is no part of it."""
        return cls(
            cpu=environment.cpu,
            cores=environment.cores,
            architecture=_architecture(environment.system),
            gpu=_gpu_name(environment.gpu),
        )

    def differences(self, other: MachineClass) -> list[str]:
        """Return ``cpu 'Xeon' and 'EPYC'`` for each thing that is unlike."""
        found = []
        for name in ("cpu", "cores", "architecture", "gpu"):
            mine, theirs = getattr(self, name), getattr(other, name)
            unknown = name == "architecture" and not (mine and theirs)
            if mine != theirs and not unknown:
                found.append(f"{name} {mine!r} and {theirs!r}")
        return found


def environment_warnings(old: Environment, new: Environment, runtimes: Iterable[str]) -> list[str]:
    """Return what differs between two environments of one machine class, a sentence each.

    Args:
        old: of the stored result.
        new: of the new one.
        runtimes: names of those that were timed; packages of others do not matter.
    """
    lines = []
    if _minor(old.python) != _minor(new.python):
        lines.append(f"Python {_minor(old.python)} in OLD, {_minor(new.python)} in NEW")
    for package in sorted(_used_packages(runtimes, {*old.packages, *new.packages})):
        before, after = old.packages.get(package), new.packages.get(package)
        if before != after:
            lines.append(f"{package} {before or 'absent'} in OLD, {after or 'absent'} in NEW")
    for name, words in _SETTINGS.items():
        mine, theirs = getattr(old, name), getattr(new, name)
        if mine != theirs and None not in (mine, theirs):
            lines.append(f"{words} {_plain(mine)} in OLD, {_plain(theirs)} in NEW")
    same_gpu = _gpu_name(old.gpu) == _gpu_name(new.gpu) != "none"
    if same_gpu and old.gpu != new.gpu:
        lines.append(f"GPU {old.gpu} in OLD, {new.gpu} in NEW")
    return lines


def _used_packages(runtimes: Iterable[str], known: set[str]) -> set[str]:
    """Return the packages that runtimes use; all where one is not ours."""
    used = set(_EVERYWHERE)
    for runtime in runtimes:
        used |= set(_PACKAGES.get(runtime.split("-")[0], known))
    return used & known


def _plain(value: object) -> str:
    """Return a setting as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={item}" for name, item in value.items()) or "unset"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _architecture(system: str) -> str:
    """Return the last word of ``Linux-6.1-amd64-x86_64-with-glibc2.36`` that names one."""
    found = _ARCHITECTURE.findall(system)
    last = found[-1].lower() if found else ""
    return _ALIASES.get(last, last)


def _gpu_name(gpu: str) -> str:
    """Return ``a GPU (SM86)`` of ``a GPU (SM86), driver for CUDA 13.0``."""
    return "none" if gpu.startswith("none") else gpu.split(", driver")[0]


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])
