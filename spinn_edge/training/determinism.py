"""The same seed and machine give the same weights, on a CPU and on a GPU."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from spinn_edge.core.errors import UsageError, first_line

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Draw from ``seed`` and let only deterministic kernels run; all is as before afterwards.

    On a CPU equal results also need the same number of threads, since sums are split among them.

    Args:
        seed: of torch's generators on every device.

    Raises:
        UsageError: an operator has no deterministic kernel on its device.

    Source: PyTorch, "Reproducibility"; NVIDIA, cuBLAS, "Results reproducibility": on a GPU the
    workspace setting has to stand before the first matrix product.
    """
    workspace = os.environ.get(_CUBLAS)
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    os.environ.setdefault(_CUBLAS, ":4096:8")
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            torch.use_deterministic_algorithms(True)
            torch.backends.cudnn.benchmark = False
            yield
    except RuntimeError as exc:
        if "deterministic" not in str(exc):
            raise
        raise UsageError(
            f"the network cannot be trained so that a seed gives the same weights again "
            f"({first_line(exc)}); use --device cpu"
        ) from exc
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
        if workspace is None:
            os.environ.pop(_CUBLAS, None)
