"""Names to runtimes; nothing is imported until a name is opened or probed."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any, cast

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import (
    IncompatibleBundleError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UsageError,
)
from spinn_edge.core.plugins import with_plugins
from spinn_edge.runtimes.base import (
    Availability,
    Opener,
    OpenOptions,
    Probe,
    Runtime,
    RuntimeEntry,
)

CANNOT_RUN_HERE = (MissingDependencyError, RuntimeUnavailableError, IncompatibleBundleError)
"""Errors that say something of this machine, not of the model."""

_TORCH = "spinn_edge.runtimes.pytorch"
_ORT = "spinn_edge.runtimes.ort"
_TRT = "spinn_edge.runtimes.trt"

RUNTIMES = {
    "eager": RuntimeEntry(
        format="weights",
        opener=f"{_TORCH}.eager:open_eager",
        probe=f"{_TORCH}.probe:probe",
    ),
    "compile": RuntimeEntry(
        format="weights",
        opener=f"{_TORCH}.compiled:open_compiled",
        probe=f"{_TORCH}.probe:probe_compiler",
    ),
    "torchscript": RuntimeEntry(
        format="torchscript",
        opener=f"{_TORCH}.torchscript:open_torchscript",
        probe=f"{_TORCH}.probe:probe",
    ),
    "pt2": RuntimeEntry(
        format="pt2", opener=f"{_TORCH}.pt2:open_pt2", probe=f"{_TORCH}.probe:probe"
    ),
    "ort-cpu": RuntimeEntry(
        format="onnx", opener=f"{_ORT}.cpu:open_cpu", probe=f"{_ORT}.cpu:probe_cpu"
    ),
    "eager-cuda": RuntimeEntry(
        format="weights",
        opener=f"{_TORCH}.eager:open_eager_cuda",
        probe=f"{_TORCH}.probe:probe_cuda",
    ),
    "compile-cuda": RuntimeEntry(
        format="weights",
        opener=f"{_TORCH}.compiled:open_compiled_cuda",
        probe=f"{_TORCH}.probe:probe_cuda_compiler",
    ),
    "compile-cuda-reduce-overhead": RuntimeEntry(
        format="weights",
        opener=f"{_TORCH}.compiled:open_reduce_overhead",
        probe=f"{_TORCH}.probe:probe_cuda_compiler",
    ),
    "compile-cuda-max-autotune": RuntimeEntry(
        format="weights",
        opener=f"{_TORCH}.compiled:open_max_autotune",
        probe=f"{_TORCH}.probe:probe_cuda_compiler",
    ),
    "torchscript-cuda": RuntimeEntry(
        format="torchscript",
        opener=f"{_TORCH}.torchscript:open_torchscript_cuda",
        probe=f"{_TORCH}.probe:probe_cuda",
    ),
    "pt2-cuda": RuntimeEntry(
        format="pt2",
        opener=f"{_TORCH}.pt2:open_pt2_cuda",
        probe=f"{_TORCH}.probe:probe_cuda",
    ),
    "ort-cuda": RuntimeEntry(
        format="onnx", opener=f"{_ORT}.cuda:open_cuda", probe=f"{_ORT}.cuda:probe_cuda"
    ),
    "ort-cuda-graph": RuntimeEntry(
        format="onnx",
        opener=f"{_ORT}.cuda:open_cuda_graph",
        probe=f"{_ORT}.cuda:probe_cuda",
    ),
    "trt": RuntimeEntry(
        format="trt",
        opener=f"{_TRT}.opening:open_trt",
        probe=f"{_TRT}.opening:probe",
        stand_ins=("ort-cuda", "ort-cpu"),
    ),
    "trt-no-graph": RuntimeEntry(
        format="trt",
        opener=f"{_TRT}.opening:open_trt_without_graph",
        probe=f"{_TRT}.opening:probe",
        stand_ins=("ort-cuda", "ort-cpu"),
    ),
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

    With ``on_mismatch="fallback"``, and only then, a runtime that cannot serve here is replaced by
    the first of its stand-ins that can; the ``facts`` of what is returned say so.

    Raises:
        UsageError: no such runtime.
        BundleError: its file is damaged.
        MissingDependencyError: its package is not installed.
        RuntimeUnavailableError: it cannot serve this bundle on this machine.
        IncompatibleBundleError: its file was built for another device or version.
    """
    entry = find(name)
    try:
        return _open(entry, bundle, options)
    except CANNOT_RUN_HERE as exc:
        if options.on_mismatch != "fallback" or not entry.stand_ins:
            raise
        return _open_stand_in(name, exc, bundle, options)


def _open_stand_in(name: str, refusal: Exception, bundle: Bundle, options: OpenOptions) -> Runtime:
    """Open the first stand-in that works, and note in its facts whom it stands in for."""
    reasons = [f"{name}: {refusal}"]
    for other in find(name).stand_ins:
        try:
            runtime = _open(find(other), bundle, options)
        except CANNOT_RUN_HERE as exc:
            reasons.append(f"{other}: {exc}")
            continue
        said = "; ".join(reason.splitlines()[0].rstrip(".") for reason in reasons)
        runtime.facts = replace(
            runtime.facts,
            served_by=other,
            notices=(f"{other} stands in for {name} ({said})", *runtime.facts.notices),
        )
        return runtime
    raise RuntimeUnavailableError(
        f"neither {name} nor what may stand in for it can run here:\n" + "\n".join(reasons)
    ) from refusal


def probe(name: str) -> Availability:
    """Say whether the runtime called ``name`` can work on this machine."""
    return cast(Probe, _resolve(find(name).probe))()


def _open(entry: RuntimeEntry, bundle: Bundle, options: OpenOptions) -> Runtime:
    return cast(Opener, _resolve(entry.opener))(bundle, options)


def _resolve(reference: str) -> Any:
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)
