"""Opening a bundle's ONNX file on ONNX Runtime's CUDA provider.

The run path has NOT been executed on a GPU yet: it is written from the documentation and tested
with the real onnxruntime on its CPU provider and a CUDA device made of host memory.
"""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import (
    InferenceError,
    RuntimeUnavailableError,
    UsageError,
    install_command,
)
from spinn_edge.core.optional import installed_version, require
from spinn_edge.runtimes.base import Availability, OpenOptions, RuntimeFacts, only_file
from spinn_edge.runtimes.nvidia.buffers import CudaBuffers
from spinn_edge.runtimes.nvidia.driver import (
    DRIVER_ADVICE,
    CudaDevice,
    find_device,
    gpu_availability,
)
from spinn_edge.runtimes.ort.device import OrtCudaRuntime, TimedOrtCudaRuntime
from spinn_edge.runtimes.ort.session import CUDA, describe_fallback, open_session

_EXTRA = "ort-gpu"
_REPLACES_CPU_BUILD = f"pip uninstall onnxruntime && {install_command(_EXTRA)}"
_OURS = {
    "device_id": "the first GPU is used; choose another with CUDA_VISIBLE_DEVICES",
    "enable_cuda_graph": "choose the runtime ort-cuda-graph",
    "use_tf32": "choose it with --tf32",
    "user_compute_stream": "inputs and outputs live on a stream of spinn-edge's own",
    "do_copy_in_default_stream": "inputs and outputs live on a stream of spinn-edge's own",
}
"""Provider options that the caller may not set, and what to do instead."""

_REPLAY_WAITS_BEFORE = (1, 28)
"""Before pull request 28686 (opened May 27th 2026; 1.27.0 is of June 19th), the replay of a graph
ended with a wait, whatever the run option said. 1.28 is the first release that can be told by its
date to have it."""


def open_cuda(bundle: Bundle, options: OpenOptions) -> OrtCudaRuntime:
    """Open the bundle's ONNX file on the first GPU.

    Raises:
        MissingDependencyError: onnxruntime or cuda-bindings is not installed.
        RuntimeUnavailableError: no ONNX file of that precision, no CUDA build, no driver, no GPU,
            or onnxruntime loaded another provider.
        BundleError: the file cannot be loaded.
        UsageError: a provider option that onnxruntime refuses or that is not the caller's.
    """
    return _open_here(bundle, options, graph=False)


def open_cuda_graph(bundle: Bundle, options: OpenOptions) -> OrtCudaRuntime:
    """Open the bundle's ONNX file on the first GPU; runs are replays of one CUDA graph a shape.

    Raises:
        MissingDependencyError: as :func:`open_cuda`.
        RuntimeUnavailableError: likewise; or ONNX Runtime cannot capture the model, because some
            of its nodes run on the CPU, or an output's size is known only after a run.
        BundleError: the file cannot be loaded.
        UsageError: as :func:`open_cuda`.
    """
    return _open_here(bundle, options, graph=True)


def open_on(
    bundle: Bundle,
    options: OpenOptions,
    *,
    ort: Any,
    cudart: Any,
    gpu: CudaDevice,
    graph: bool = False,
    provider: str = CUDA,
    memory: str = "cuda",
) -> OrtCudaRuntime:
    """Open the bundle's ONNX file on a given device.

    Args:
        bundle: checked bundle.
        options: precision, TF32, CPU threads and provider options count.
        ort: the module ``onnxruntime``.
        cudart: ``cuda.bindings.runtime``, or a fake with the same functions.
        gpu: where ``cudart`` allocates.
        graph: capture a CUDA graph for each shape.
        provider: execution provider.
        memory: onnxruntime's name for the kind of memory that ``cudart`` allocates.

    Raises:
        RuntimeUnavailableError: as :func:`open_cuda_graph`, the packages apart.
        BundleError: the file cannot be loaded.
        UsageError: as :func:`open_cuda`.

    Source: onnxruntime.ai, "CUDA Execution Provider": ``user_compute_stream`` is the stream that
    all kernels are launched on; ``do_copy_in_default_stream`` keeps copies on it; ``use_tf32`` is
    1 unless told otherwise; ``enable_cuda_graph`` needs every node on the GPU and fixed addresses.
    """
    file = only_file(bundle, "onnx", options.precision)
    given = _checked(options.provider_options)
    inputs, outputs = bundle.manifest.inputs, bundle.manifest.outputs
    sized = all(spec.at_batch(1) is not None for spec in outputs)
    if graph and not sized:
        raise RuntimeUnavailableError(
            "a CUDA graph needs outputs whose size is known before the run; use ort-cuda"
        )
    try:
        buffers = CudaBuffers(cudart, inputs, outputs if sized else ())
    except InferenceError as exc:
        raise RuntimeUnavailableError(f"CUDA cannot be used: {exc}; {DRIVER_ADVICE}") from exc
    settings = {
        "user_compute_stream": str(buffers.stream.handle),
        "do_copy_in_default_stream": "1",
        "use_tf32": str(int(options.tf32)),
        "enable_cuda_graph": str(int(graph)),
    }
    try:
        session = open_session(
            ort,
            bundle.path_of(file),
            provider,
            threads=options.threads,
            provider_options=given | settings,
        )
        facts = RuntimeFacts(
            file=file.path,
            device=gpu.label,
            tf32=options.tf32,
            cuda_graph=graph,
            notices=_notices(session, provider, ort.__version__, given | settings),
        )
        kind = TimedOrtCudaRuntime if sized else OrtCudaRuntime
        return kind(ort, session, buffers, inputs, outputs, facts, memory=memory)
    except BaseException:
        buffers.close()
        raise


def probe_cuda(
    *,
    installed: Callable[..., str | None] = installed_version,
    find: Callable[[], CudaDevice] = find_device,
) -> Availability:
    """Say whether a CUDA build of onnxruntime, cuda-bindings and a GPU are here."""
    version = installed("onnxruntime-gpu", "onnxruntime")
    install = install_command(_EXTRA)
    if version is None:
        return Availability(version=None, reason="onnxruntime is not installed", install=install)
    if CUDA not in require("onnxruntime", extra=_EXTRA).get_available_providers():
        return Availability(
            version=version,
            reason="the installed onnxruntime is a CPU build",
            install=_REPLACES_CPU_BUILD,
        )
    if installed("cuda-bindings") is None:
        return Availability(
            version=version, reason="cuda-bindings is not installed", install=install
        )
    return gpu_availability(version, find)


def _open_here(bundle: Bundle, options: OpenOptions, *, graph: bool) -> OrtCudaRuntime:
    only_file(bundle, "onnx", options.precision)  # what is wrong with the bundle is said first
    ort = require("onnxruntime", extra=_EXTRA)
    if CUDA not in ort.get_available_providers():
        raise RuntimeUnavailableError(
            f"the installed onnxruntime is a CPU build; {_REPLACES_CPU_BUILD}"
        )
    cudart = require("cuda.bindings.runtime", extra=_EXTRA)
    try:
        gpu = find_device()
    except RuntimeUnavailableError as exc:
        raise RuntimeUnavailableError(f"{exc}; {DRIVER_ADVICE}") from exc
    if hasattr(ort, "preload_dlls"):  # since 1.21
        with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find
            ort.preload_dlls()  # CUDA libraries that came with torch or as wheels
    return open_on(bundle, options, ort=ort, cudart=cudart, gpu=gpu, graph=graph)


def _checked(given: Mapping[str, str]) -> dict[str, str]:
    for name, value in given.items():
        if name in _OURS:
            raise UsageError(f"--provider-option {name}={value} cannot be set here: {_OURS[name]}")
    return dict(given)


def _notices(
    session: Any, provider: str, version: str, asked: Mapping[str, str]
) -> tuple[str, ...]:
    """Say what of this session a reader of its figures must know."""
    notices = []
    if fallback := describe_fallback(session, provider, version):
        notices.append(fallback)
    taken = session.get_provider_options().get(provider, {})
    if taken and (unknown := sorted(set(asked) - set(taken))):
        notices.append(f"onnxruntime {version} does not list as taken: {', '.join(unknown)}")
    if asked["enable_cuda_graph"] == "1" and _numbers(version) < _REPLAY_WAITS_BEFORE:
        notices.append(
            f"onnxruntime {version} may wait for the end of each replayed graph, so the time "
            "to enqueue one holds the inference itself (onnxruntime pull request 28686)"
        )
    return tuple(notices)


def _numbers(version: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
