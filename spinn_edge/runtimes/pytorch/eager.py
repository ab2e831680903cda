"""PyTorch eager: the module rebuilt from the bundle's weights."""

from __future__ import annotations

from spinn_edge.core.bundle import Bundle
from spinn_edge.runtimes.base import OpenOptions
from spinn_edge.runtimes.pytorch.cuda_module import TorchCudaRuntime
from spinn_edge.runtimes.pytorch.gpu import prepare_gpu, to_gpu
from spinn_edge.runtimes.pytorch.module import TorchRuntime
from spinn_edge.runtimes.pytorch.weights import eager_module, weights_file


def open_eager(bundle: Bundle, options: OpenOptions) -> TorchRuntime:
    """Open a bundle's weights as they are, on the CPU.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: the bundle has no weights of that precision, or its factory is not
            trusted.
        UsageError: fewer than one thread.
    """
    file = weights_file(bundle, options).path
    module = eager_module(bundle, options)
    return TorchRuntime(module, bundle.manifest, threads=options.threads, file=file)


def open_eager_cuda(bundle: Bundle, options: OpenOptions) -> TorchCudaRuntime:
    """Open a bundle's weights as they are, on the first GPU.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: as :func:`open_eager`, or no CUDA build, driver or GPU.
        UsageError: fewer than one thread.
    """
    facts = prepare_gpu(weights_file(bundle, options), options)
    return TorchCudaRuntime(to_gpu(eager_module(bundle, options)), bundle.manifest, facts)
