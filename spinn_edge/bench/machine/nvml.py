"""NVML, NVIDIA's management library: opened and asked in this one place.

Its bindings are the module ``pynvml`` of the package ``nvidia-ml-py``. They may be absent, and so
may the driver; a GPU or a driver may not know what is asked. All of that is None here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from spinn_edge.core.errors import MissingDependencyError
from spinn_edge.core.optional import require

LoadBindings = Callable[[], Any]


def load_bindings() -> Any:
    """Return the module ``pynvml``.

    Raises:
        MissingDependencyError: it is not installed.
    """
    return require("pynvml", extra="bench")


def open_nvml(load: LoadBindings = load_bindings) -> Any:
    """Return the bindings, ready to be asked; None without them and without a driver.

    Whoever opens it calls ``nvmlShutdown`` on it; NVML counts.
    """
    try:
        nvml = load()
        nvml.nvmlInit()
    except MissingDependencyError:
        return None
    except nvml.NVMLError:
        return None
    return nvml


@contextmanager
def opened_nvml(load: LoadBindings = load_bindings) -> Iterator[Any]:
    """Open NVML for what is done inside; gives what :func:`open_nvml` returns."""
    nvml = open_nvml(load)
    try:
        yield nvml
    finally:
        if nvml is not None:
            nvml.nvmlShutdown()


def ask(nvml: Any, query: Callable[..., Any], *arguments: Any) -> Any:
    """Return the answer; None where this GPU or this driver does not give it."""
    try:
        return query(*arguments)
    except nvml.NVMLError:
        return None


def all_gpus(nvml: Any) -> list[Any]:
    """Return the handles of the machine's GPUs, in the order of the bus."""
    count = ask(nvml, nvml.nvmlDeviceGetCount) or 0
    handles = (ask(nvml, nvml.nvmlDeviceGetHandleByIndex, index) for index in range(count))
    return [handle for handle in handles if handle is not None]


def first_gpu(nvml: Any, name: str, variables: Mapping[str, str]) -> Any:
    """Return the handle of the GPU that CUDA shows first; None where it is not known which it is.

    NVML counts every GPU of the machine in the order of the bus; CUDA counts those that
    ``CUDA_VISIBLE_DEVICES`` leaves, fastest first. So the GPU is found by name. Where two have that
    name and no variable tells them apart, none is guessed.

    Args:
        nvml: the bindings, open.
        name: the GPU's, as CUDA has it.
        variables: the process environment.
    """
    first = variables.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()
    if first.startswith("GPU-"):
        return ask(nvml, nvml.nvmlDeviceGetHandleByUUID, first)
    alike = [gpu for gpu in all_gpus(nvml) if ask(nvml, nvml.nvmlDeviceGetName, gpu) == name]
    return alike[0] if len(alike) == 1 else None
