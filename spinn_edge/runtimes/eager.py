"""PyTorch eager: the module rebuilt from the bundle's weights."""

from __future__ import annotations

from spinn_edge.core.bundle import Bundle
from spinn_edge.runtimes.base import OpenOptions
from spinn_edge.runtimes.torch_module import TorchRuntime
from spinn_edge.runtimes.weights import eager_module


def open_eager(bundle: Bundle, options: OpenOptions) -> TorchRuntime:
    """Open a bundle's weights as they are.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: the bundle has no weights, or its factory is not trusted.
    """
    return TorchRuntime(eager_module(bundle, options), bundle.manifest, threads=options.threads)
