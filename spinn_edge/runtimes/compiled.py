"""``torch.compile``: the same module through TorchInductor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError, RuntimeUnavailableError
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
    return TorchRuntime(_with_limit_named(module), bundle.manifest, threads=options.threads)


def _with_limit_named(module: Callable[..., Any]) -> Callable[..., Any]:
    """Say in words when torch has compiled as many batch sizes as it does in one process."""
    limit_hit = require("torch._dynamo.exc", extra="export").FailOnRecompileLimitHit

    def call(*tensors: Any) -> Any:
        try:
            return module(*tensors)
        except limit_hit as exc:
            raise InferenceError(
                f"torch.compile stops at batch {tensors[0].shape[0]}: it compiles for a limited "
                "number of batch sizes in one process (torch._dynamo.config.recompile_limit, 8 by "
                "default); use fewer sizes, or another runtime"
            ) from exc

    return call
