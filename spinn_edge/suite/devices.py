"""``cpu``, ``cuda`` and ``cuda:0``, and which runtimes they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spinn_edge.core.errors import UsageError
from spinn_edge.runtimes import registry

CPU, GPU = "cpu", "cuda"
_ON_THE_CPU = ("eager", "compile", "torchscript", "pt2", "ort-cpu")
_DEFAULTS = {
    # device, and whether every model has an eager form; without one, PT2 is PyTorch's next best
    (CPU, True): ("eager", "ort-cpu"),
    (CPU, False): ("pt2", "ort-cpu"),
    (GPU, True): ("eager-cuda", "ort-cuda"),
    (GPU, False): ("pt2-cuda", "ort-cuda"),
}


def read_device(device: Any) -> str:
    """Return ``cpu`` or ``cuda`` for a device as PyTorch spells it.

    Args:
        device: a string or a ``torch.device``.

    Raises:
        UsageError: another device, or another GPU than the first.
    """
    kind, _, number = str(device).partition(":")
    if kind in (CPU, GPU) and number in ("", "0"):
        return kind
    if kind == GPU and number.isdigit():
        raise UsageError(
            f"device {device}: every runtime takes the first GPU that it sees; start Python with "
            f"CUDA_VISIBLE_DEVICES={number} and name device='cuda'"
        )
    raise UsageError(f"device {device}: expected 'cpu', 'cuda' or 'cuda:0'")


def default_runtimes(device: str, *, eager: bool) -> tuple[str, ...]:
    """Return what is timed where no runtime was named: PyTorch and ONNX Runtime.

    Args:
        device: as :func:`read_device` returns it.
        eager: every model has a form that ``eager`` can run.
    """
    return _DEFAULTS[device, eager]


def check_runtimes(runtimes: Sequence[str], device: str) -> tuple[str, ...]:
    """Return the runtimes that were named, each once.

    On a GPU some of them may run on the CPU, for comparison.

    Args:
        runtimes: names from the registry.
        device: as :func:`read_device` returns it.

    Raises:
        UsageError: none is named, one is unknown, or they contradict the device.
    """
    if isinstance(runtimes, str) or not runtimes:
        raise UsageError(f"runtimes={runtimes!r}: expected names in a tuple, such as ('ort-cpu',)")
    for name in runtimes:
        registry.find(name)
    elsewhere = [name for name in runtimes if name in registry.RUNTIMES and name not in _ON_THE_CPU]
    if device == CPU and elsewhere:
        raise UsageError(
            f"device is 'cpu', but {', '.join(elsewhere)} runs on a GPU; name device='cuda' or "
            f"some of {', '.join(_ON_THE_CPU)}"
        )
    if device == GPU and all(name in _ON_THE_CPU for name in runtimes):
        raise UsageError(
            f"device is 'cuda', but {', '.join(runtimes)} runs on the CPU; name device='cpu' or "
            "runtimes such as 'ort-cuda'"
        )
    return tuple(dict.fromkeys(runtimes))
