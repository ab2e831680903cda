"""``torch.compile``: the same module through TorchInductor."""

from __future__ import annotations

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import RuntimeUnavailableError
from spinn_edge.core.optional import require
from spinn_edge.runtimes.base import OpenOptions
from spinn_edge.runtimes.torch_module import TorchRuntime
from spinn_edge.runtimes.torch_probe import probe_compiler
from spinn_edge.runtimes.weights import eager_module


def open_compiled(bundle: Bundle, options: OpenOptions) -> TorchRuntime:
    """Open a bundle's weights under ``torch.compile``.

    One kernel is compiled for each batch size, at its first run. ``fullgraph`` turns a graph break,
    and a ninth batch size (torch's recompile limit), into an error, where torch would otherwise go
    on in eager without a word.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: no C++ compiler, no weights, or a factory that is not trusted.
    """
    torch = require("torch", extra="export")
    if (reason := probe_compiler().reason) is not None:
        raise RuntimeUnavailableError(f"{reason}; install one (apt-get install g++) or set CXX")
    module = torch.compile(eager_module(bundle, options), fullgraph=True, dynamic=False)
    return TorchRuntime(module, bundle.manifest, threads=options.threads)
