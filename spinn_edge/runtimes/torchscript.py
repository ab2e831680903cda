"""TorchScript: the traced program in the bundle."""

from __future__ import annotations

from spinn_edge.core.bundle import Bundle
from spinn_edge.models.torchscript_file import load_torchscript
from spinn_edge.runtimes.base import OpenOptions, only_file
from spinn_edge.runtimes.torch_module import TorchRuntime


def open_torchscript(bundle: Bundle, options: OpenOptions) -> TorchRuntime:
    """Open the bundle's TorchScript file.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: the bundle has no such file.
        BundleError: the file cannot be loaded.
    """
    module = load_torchscript(bundle.path_of(only_file(bundle, "torchscript")))
    return TorchRuntime(module, bundle.manifest, threads=options.threads)
