"""Names to runtimes; nothing is imported until a name is opened or probed."""

from __future__ import annotations

import importlib
from typing import Any, cast

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.core.plugins import with_plugins
from spinn_edge.runtimes.base import (
    Availability,
    Opener,
    OpenOptions,
    Probe,
    Runtime,
    RuntimeEntry,
)

_HERE = "spinn_edge.runtimes"

RUNTIMES = {
    "eager": RuntimeEntry(
        format="weights", opener=f"{_HERE}.eager:open_eager", probe=f"{_HERE}.torch_probe:probe"
    ),
    "compile": RuntimeEntry(
        format="weights",
        opener=f"{_HERE}.compiled:open_compiled",
        probe=f"{_HERE}.torch_probe:probe_compiler",
    ),
    "torchscript": RuntimeEntry(
        format="torchscript",
        opener=f"{_HERE}.torchscript:open_torchscript",
        probe=f"{_HERE}.torch_probe:probe",
    ),
    "pt2": RuntimeEntry(
        format="pt2", opener=f"{_HERE}.pt2:open_pt2", probe=f"{_HERE}.torch_probe:probe"
    ),
    "ort-cpu": RuntimeEntry(
        format="onnx", opener=f"{_HERE}.ort:open_cpu", probe=f"{_HERE}.ort:probe_cpu"
    ),
    "ort-cuda": RuntimeEntry(
        format="onnx", opener=f"{_HERE}.ort:open_cuda", probe=f"{_HERE}.ort:probe_cuda"
    ),
    "trt": RuntimeEntry(format="trt", opener=f"{_HERE}.trt:open_trt", probe=f"{_HERE}.trt:probe"),
}


def entries() -> dict[str, RuntimeEntry]:
    """Return built-in and plug-in runtimes by name, built-in ones first.

    Raises:
        UsageError: two providers claim one name, or a plug-in cannot be loaded or names no
            :class:`RuntimeEntry`.
    """
    return with_plugins(RUNTIMES, RuntimeEntry, "spinn_edge.runtimes")


def find(name: str) -> RuntimeEntry:
    """Return the registry line called ``name``.

    Raises:
        UsageError: no such runtime; lists the known names.
    """
    known = entries()
    if name not in known:
        raise UsageError(f"unknown runtime '{name}'; known: {', '.join(known)}")
    return known[name]


def open_backend(name: str, bundle: Bundle, options: OpenOptions) -> Runtime:
    """Load ``bundle`` with the runtime called ``name``.

    Raises:
        UsageError: no such runtime.
        MissingDependencyError: its package is not installed.
        RuntimeUnavailableError: it cannot serve this bundle on this machine.
        IncompatibleBundleError: its file was built for another device or version.
    """
    return cast(Opener, _resolve(find(name).opener))(bundle, options)


def probe(name: str) -> Availability:
    """Say whether the runtime called ``name`` can work on this machine."""
    return cast(Probe, _resolve(find(name).probe))()


def _resolve(reference: str) -> Any:
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)
