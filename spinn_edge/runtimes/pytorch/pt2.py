"""PT2: the exported program in the bundle, run by PyTorch's own interpreter."""

from __future__ import annotations

from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import RuntimeUnavailableError, UsageError, first_line
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.optional import require
from spinn_edge.models.pt2_file import load_pt2
from spinn_edge.runtimes.base import OpenOptions, only_file
from spinn_edge.runtimes.pytorch.cuda_module import TorchCudaRuntime
from spinn_edge.runtimes.pytorch.gpu import GPU, prepare_gpu
from spinn_edge.runtimes.pytorch.module import TorchRuntime


def open_pt2(bundle: Bundle, options: OpenOptions) -> TorchRuntime:
    """Open the bundle's PT2 file on the CPU.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: the bundle has no such file of that precision, or loading it could
            run code.
        BundleError: the file cannot be loaded.
        UsageError: fewer than one thread.
    """
    file = only_file(bundle, "pt2", options.precision)
    module = _load(bundle, file).module()
    return TorchRuntime(module, bundle.manifest, threads=options.threads, file=file.path)


def open_pt2_cuda(bundle: Bundle, options: OpenOptions) -> TorchCudaRuntime:
    """Open the bundle's PT2 file, loaded on the CPU and moved to the first GPU.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: as :func:`open_pt2`; or no CUDA build, driver or GPU.
        BundleError: the file cannot be loaded.
        UsageError: fewer than one thread.
    """
    file = only_file(bundle, "pt2", options.precision)
    facts = prepare_gpu(file, options)
    module = move(_load(bundle, file), GPU).module()
    return TorchCudaRuntime(module, bundle.manifest, facts)


def move(program: Any, device: str) -> Any:
    """Move an exported program to a device: weights, constants, and devices named in its graph.

    No code of the program's author runs: the pass looks at the graph and copies tensors.

    Args:
        program: a ``torch.export.ExportedProgram``; it is changed.
        device: PyTorch's name of it.

    Raises:
        RuntimeUnavailableError: PyTorch refused; most often there is too little memory.

    Source: ``torch.export.passes.move_to_device_pass``.
    """
    passes = require("torch.export.passes", extra="export")
    try:
        return passes.move_to_device_pass(program, device)
    except Exception as exc:  # torch.OutOfMemoryError, torch.AcceleratorError, RuntimeError
        raise RuntimeUnavailableError(
            f"the program cannot be moved to {device} ({type(exc).__name__}): {first_line(exc)}"
        ) from exc


def _load(bundle: Bundle, file: FileEntry) -> Any:
    try:
        return load_pt2(bundle.path_of(file))
    except UsageError as exc:
        raise RuntimeUnavailableError(str(exc)) from exc
