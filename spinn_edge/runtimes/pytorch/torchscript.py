"""TorchScript: the traced program in the bundle."""

from __future__ import annotations

from spinn_edge.core.bundle import Bundle
from spinn_edge.models.torchscript_file import load_torchscript
from spinn_edge.runtimes.base import OpenOptions, only_file
from spinn_edge.runtimes.pytorch.cuda_module import TorchCudaRuntime
from spinn_edge.runtimes.pytorch.gpu import prepare_gpu, to_gpu
from spinn_edge.runtimes.pytorch.module import TorchRuntime


def open_torchscript(bundle: Bundle, options: OpenOptions) -> TorchRuntime:
    """Open the bundle's TorchScript file on the CPU.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: the bundle has no such file of that precision.
        BundleError: the file cannot be loaded.
        UsageError: fewer than one thread.
    """
    file = only_file(bundle, "torchscript", options.precision)
    module = load_torchscript(bundle.path_of(file))
    return TorchRuntime(module, bundle.manifest, threads=options.threads, file=file.path)


def open_torchscript_cuda(bundle: Bundle, options: OpenOptions) -> TorchCudaRuntime:
    """Open the bundle's TorchScript file, loaded on the CPU and moved to the first GPU.

    A tensor that tracing made a constant on the CPU moves with the weights; code that names the
    CPU as a device stays there, and the run then fails with PyTorch's words.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: as :func:`open_torchscript`, or no CUDA build, driver or GPU.
        BundleError: the file cannot be loaded.
        UsageError: fewer than one thread.
    """
    file = only_file(bundle, "torchscript", options.precision)
    facts = prepare_gpu(file, options)
    module = to_gpu(load_torchscript(bundle.path_of(file)))
    return TorchCudaRuntime(module, bundle.manifest, facts)
