"""PT2: the exported program in the bundle, run by PyTorch's own interpreter."""

from __future__ import annotations

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import RuntimeUnavailableError, UsageError
from spinn_edge.models.pt2_file import load_pt2
from spinn_edge.runtimes.base import OpenOptions, only_file
from spinn_edge.runtimes.torch_module import TorchRuntime


def open_pt2(bundle: Bundle, options: OpenOptions) -> TorchRuntime:
    """Open the bundle's PT2 file.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: the bundle has no such file, or loading it could run code.
        BundleError: the file cannot be loaded.
    """
    try:
        program = load_pt2(bundle.path_of(only_file(bundle, "pt2")))
    except UsageError as exc:
        raise RuntimeUnavailableError(str(exc)) from exc
    return TorchRuntime(program.module(), bundle.manifest, threads=options.threads)
