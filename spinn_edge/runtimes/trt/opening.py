"""TensorRT engines from a bundle, through ``tensorrt`` or ``tensorrt_rtx``, without PyTorch.

Nothing that runs an engine has been executed on a GPU yet: see ``trt/runtime``.
"""

from __future__ import annotations

from collections.abc import Callable

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import install_command
from spinn_edge.core.optional import installed_version, require
from spinn_edge.runtimes.base import Availability, OpenOptions
from spinn_edge.runtimes.nvidia.driver import CudaDevice, find_device, gpu_availability
from spinn_edge.runtimes.trt.backend import EXTRAS, RTX
from spinn_edge.runtimes.trt.preflight import choose_engine
from spinn_edge.runtimes.trt.runtime import TensorRTRuntime


def open_trt(bundle: Bundle, options: OpenOptions) -> TensorRTRuntime:
    """Load the engine of ``bundle`` that was built for this machine's GPU, with CUDA graphs.

    Args:
        bundle: checked bundle with at least one ``trt`` file.
        options: ``precision``, ``on_mismatch`` and ``trust_engine_code`` count.

    Raises:
        BundleError: an engine file is corrupt, or disagrees with the manifest.
        IncompatibleBundleError: engines of another version, or for other GPUs.
        MissingDependencyError: neither package that built them, or no cuda-bindings.
        RuntimeUnavailableError: no engine in the bundle, no driver, no GPU, an engine with code
            that is not trusted, or TensorRT or CUDA refused.
    """
    return _open(bundle, options, graphs=True)


def open_trt_without_graph(bundle: Bundle, options: OpenOptions) -> TensorRTRuntime:
    """Load the same engine and enqueue every inference anew; raises what :func:`open_trt` does."""
    return _open(bundle, options, graphs=False)


def probe(
    *,
    installed: Callable[..., str | None] = installed_version,
    find: Callable[[], CudaDevice] = find_device,
) -> Availability:
    """Say whether a TensorRT package and a GPU are here, importing nothing heavy."""
    version = installed("tensorrt-rtx", "tensorrt")
    if version is None:
        return Availability(
            version=None,
            reason="neither tensorrt-rtx nor tensorrt is installed",
            install=install_command(EXTRAS[RTX]),
        )
    if installed("cuda-bindings") is None:
        return Availability(
            version=version,
            reason="cuda-bindings is not installed",
            install=install_command(EXTRAS[RTX]),
        )
    return gpu_availability(version, find)


def _open(bundle: Bundle, options: OpenOptions, *, graphs: bool) -> TensorRTRuntime:
    choice = choose_engine(bundle, options)
    cudart = require("cuda.bindings.runtime", extra=choice.backend.extra)
    return TensorRTRuntime(
        bundle, choice, cudart, graphs=graphs, trust_engine_code=options.trust_engine_code
    )
