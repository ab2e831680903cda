"""``torch.compile``: the same module through TorchInductor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError, RuntimeUnavailableError
from spinn_edge.core.optional import require
from spinn_edge.runtimes.base import OpenOptions
from spinn_edge.runtimes.pytorch.cuda_module import TorchCudaRuntime
from spinn_edge.runtimes.pytorch.gpu import prepare_gpu, to_gpu
from spinn_edge.runtimes.pytorch.module import TorchRuntime
from spinn_edge.runtimes.pytorch.probe import probe_compiler, probe_cuda_compiler
from spinn_edge.runtimes.pytorch.weights import eager_module, weights_file

DEFAULT, REDUCE_OVERHEAD, MAX_AUTOTUNE = "default", "reduce-overhead", "max-autotune"
_WITH_GRAPHS = (REDUCE_OVERHEAD, MAX_AUTOTUNE)


def open_compiled(bundle: Bundle, options: OpenOptions) -> TorchRuntime:
    """Open a bundle's weights under ``torch.compile``, on the CPU.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: no C++ compiler, no weights of that precision, or a factory that
            is not trusted.
        UsageError: fewer than one thread.
    """
    require("torch", extra="export")
    if (reason := probe_compiler().reason) is not None:
        raise RuntimeUnavailableError(f"{reason}; install one (apt-get install g++) or set CXX")
    file = weights_file(bundle, options).path
    module = compile_module(eager_module(bundle, options), DEFAULT)
    return TorchRuntime(module, bundle.manifest, threads=options.threads, file=file)


def open_compiled_cuda(bundle: Bundle, options: OpenOptions) -> TorchCudaRuntime:
    """Open a bundle's weights under ``torch.compile``, on the first GPU.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: no CUDA build, driver, GPU, Triton or C compiler; no weights of
            that precision, or a factory that is not trusted.
        UsageError: fewer than one thread.
    """
    return _open_on_gpu(bundle, options, DEFAULT)


def open_reduce_overhead(bundle: Bundle, options: OpenOptions) -> TorchCudaRuntime:
    """Open as :func:`open_compiled_cuda`, with runs replayed as CUDA graphs.

    A model that PyTorch cannot capture fails at its first run, instead of running without.
    """
    return _open_on_gpu(bundle, options, REDUCE_OVERHEAD)


def open_max_autotune(bundle: Bundle, options: OpenOptions) -> TorchCudaRuntime:
    """Open as :func:`open_reduce_overhead`, with kernels chosen by timing them at the first run."""
    return _open_on_gpu(bundle, options, MAX_AUTOTUNE)


def compile_module(module: Callable[..., Any], mode: str) -> Callable[..., Any]:
    """Compile a module; the work is done at the first run of each batch size.

    ``fullgraph`` turns a graph break, and a ninth batch size (torch's recompile limit), into an
    error, where torch would otherwise go on in eager without a word. ``cudagraph_or_error`` does
    the same for a CUDA graph that cannot be captured.

    Args:
        module: in evaluation mode.
        mode: a mode of ``torch.compile``.

    Source: ``torch.compile``, whose modes are the option sets of
    ``torch._inductor.list_mode_options``; ``triton.cudagraph_or_error`` in
    ``torch/_inductor/config.py``.
    """
    torch = require("torch", extra="export")
    chosen = require("torch._inductor", extra="export").list_mode_options(mode)
    if mode in _WITH_GRAPHS:
        chosen = chosen | {"triton.cudagraph_or_error": True}
    compiled = torch.compile(module, options=chosen, fullgraph=True, dynamic=False)
    return _with_limit_named(compiled)


def _open_on_gpu(bundle: Bundle, options: OpenOptions, mode: str) -> TorchCudaRuntime:
    file = weights_file(bundle, options)
    facts = prepare_gpu(file, options, probe=probe_cuda_compiler, cuda_graph=mode in _WITH_GRAPHS)
    module = compile_module(to_gpu(eager_module(bundle, options)), mode)
    return TorchCudaRuntime(module, bundle.manifest, facts)


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
