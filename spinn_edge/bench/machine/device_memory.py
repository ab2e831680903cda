"""Memory that this process holds on the machine's GPUs, as the driver counts it."""

from __future__ import annotations

import os
from typing import Any

from spinn_edge.bench.machine.nvml import LoadBindings, all_gpus, ask, load_bindings, opened_nvml


def device_bytes_of_this_process(
    load: LoadBindings = load_bindings, own_pid: int | None = None
) -> int | None:
    """Return what this process holds now: its data, the CUDA context and the loaded kernels.

    The driver lists processes by their number. Many drivers list the number that a process has
    outside of its container, which is another than its own inside: then it is not found. (Start the
    container with the host's process numbers, ``--pid=host``, to have it.)

    Args:
        load: returns the module ``pynvml`` of the package ``nvidia-ml-py``.
        own_pid: number of this process, as the driver has it; its own by default.

    Returns:
        None without the bindings, without a driver, where this process is not in the driver's list,
        and where the driver does not count its memory (Windows, with WDDM).

    Source: NVML API Reference, nvmlDeviceGetComputeRunningProcesses_v3 and nvmlProcessInfo_t.
    """
    pid = os.getpid() if own_pid is None else own_pid
    with opened_nvml(load) as nvml:
        if nvml is None:
            return None
        used: list[int | None] = [
            process.usedGpuMemory
            for gpu in all_gpus(nvml)
            for process in _processes(nvml, gpu)
            if process.pid == pid
        ]
    known = [count for count in used if count is not None]
    # one entry for each GPU that it uses; a sum without one of them would be too small
    return sum(known) if known and len(known) == len(used) else None


def _processes(nvml: Any, gpu: Any) -> list[Any]:
    """Return the processes with a CUDA context on a GPU.

    The versioned names: that without a version raises an error of its own kind, no ``NVMLError``,
    with a driver older than the bindings.
    """
    for query in (
        nvml.nvmlDeviceGetComputeRunningProcesses_v3,
        nvml.nvmlDeviceGetComputeRunningProcesses_v2,  # drivers before 510
    ):
        found = ask(nvml, query, gpu)
        if found is not None:
            return list(found)
    return []
