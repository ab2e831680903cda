"""Where the time of a training step goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from spinn_edge.bench.training.result import StepShares

STEPS = 10
_PRODUCTS = frozenset(
    f"aten::{name}" for name in ("mm", "addmm", "bmm", "baddbmm", "addmv", "mv", "dot")
)
_OPTIMISER = "Optimizer.step#"


def find_shares(
    step: Callable[[int], object], *, device: str, synchronise: Callable[[], None]
) -> StepShares:
    """Profile some steps.

    A product's own time is long beside what the profiler adds to it; of small kernels it is not,
    so these are never named: they are what is left of the step's time without a profiler.

    Args:
        step: takes the number of a step; was warmed up before.
        device: ``cuda`` counts the device's time, not that of the calls.
        synchronise: returns when the device has nothing left to do.
    """
    on_gpu = device == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    synchronise()
    with profile(activities=activities) as found:
        for number in range(STEPS):
            step(number)
        synchronise()
    return shares_of(found.key_averages(), STEPS, on_gpu=on_gpu)


def shares_of(events: Any, steps: int, *, on_gpu: bool) -> StepShares:
    """Add up a profile.

    Args:
        events: as ``torch.profiler`` averages them by name, microseconds.
        steps: how many were profiled.
        on_gpu: read the device's times.
    """
    own = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    whole = "device_time_total" if on_gpu else "cpu_time_total"
    products = [event for event in events if event.key in _PRODUCTS]
    optimiser = [event for event in events if event.key.startswith(_OPTIMISER)]
    return StepShares(
        products_s=sum(getattr(event, own) for event in products) / steps * 1e-6,
        products=sum(event.count for event in products) / steps,
        optimiser_s=sum(getattr(event, whole) for event in optimiser) / steps * 1e-6,
        steps=steps,
    )


def synchroniser(device: str) -> Callable[[], None]:
    """Return what waits for a device; the CPU has nothing to wait for."""
    return torch.cuda.synchronize if device == "cuda" else lambda: None
