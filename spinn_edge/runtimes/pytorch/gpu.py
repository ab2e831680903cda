"""What PyTorch needs before a model runs on the first GPU."""

from __future__ import annotations

from typing import Any

from spinn_edge.core.errors import RuntimeUnavailableError, first_line
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.optional import require
from spinn_edge.runtimes.base import OpenOptions, Probe, RuntimeFacts
from spinn_edge.runtimes.nvidia.driver import find_device
from spinn_edge.runtimes.pytorch.module import set_threads
from spinn_edge.runtimes.pytorch.probe import CUDA_BUILD, probe_cuda

GPU = "cuda"


def prepare_gpu(
    file: FileEntry,
    options: OpenOptions,
    *,
    probe: Probe = probe_cuda,
    cuda_graph: bool = False,
) -> RuntimeFacts:
    """Make PyTorch ready for the first GPU, and say what a table must know of it.

    TF32 is set for matrix products, convolutions and recurrent layers, on or off. PyTorch keeps
    it, like the number of CPU threads, for the whole process.

    Args:
        file: what will be loaded.
        options: TF32 and CPU threads count.
        probe: says what this machine lacks.
        cuda_graph: the runtime replays CUDA graphs.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: torch is a CPU build, or there is no driver or no GPU, or whatever
            else ``probe`` finds.
        UsageError: fewer than one thread.
    """
    found = probe()  # before torch, which takes seconds to import
    if found.reason is not None and found.version is not None:
        raise RuntimeUnavailableError(f"{found.reason}; {found.install}")
    torch = require("torch", extra="export")
    gpu = find_device()
    if not torch.cuda.is_available():  # some CPU builds do not say so in their version
        raise RuntimeUnavailableError(f"torch {torch.__version__} sees no GPU; {CUDA_BUILD}")
    set_threads(torch, options.threads)
    set_tf32(torch, options.tf32)
    return RuntimeFacts(
        file=file.path,
        device=gpu.label,
        tf32=options.tf32,
        cuda_graph=cuda_graph,
    )


def to_gpu(module: Any, device: str = GPU) -> Any:
    """Move a module's weights to the GPU.

    Raises:
        RuntimeUnavailableError: PyTorch refused; most often there is too little memory.
    """
    try:
        return module.to(device)
    except Exception as exc:  # torch.OutOfMemoryError, torch.AcceleratorError, RuntimeError
        raise RuntimeUnavailableError(
            f"the model cannot be moved to the GPU ({type(exc).__name__}): {first_line(exc)}"
        ) from exc


def set_tf32(torch: Any, allowed: bool) -> None:
    """Allow or forbid TF32 in the float32 products of a GPU, for the whole process.

    Source: PyTorch notes, "CUDA semantics, TensorFloat-32 on Ampere (and later) devices";
    ``fp32_precision`` came with torch 2.9, and the two ways must not be mixed.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    if hasattr(matmul, "fp32_precision"):
        for where in (matmul, cudnn.conv, cudnn.rnn):
            where.fp32_precision = "tf32" if allowed else "ieee"
    else:
        matmul.allow_tf32 = cudnn.allow_tf32 = allowed
