"""The boundaries that only a runtime with a device of its own has: device and enqueue."""

from __future__ import annotations

import time
from dataclasses import dataclass

from spinn_edge.bench.loops.timing import Clock, Course, Timing, TimingRule, in_seconds, repeat
from spinn_edge.core.tensors import Feeds
from spinn_edge.runtimes.base import DeviceRuntime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTiming:
    """Device time of single inferences, seconds, in run order; one entry an inference in each.

    Attributes:
        upload_s: copies from pinned host memory to the device.
        compute_s: the inference between two events, copies left out.
        download_s: copies back.
        course: how the timing went.
    """

    upload_s: tuple[float, ...]
    compute_s: tuple[float, ...]
    download_s: tuple[float, ...]
    course: Course


def time_device(
    runtime: DeviceRuntime, feeds: Feeds, rule: TimingRule, clock: Clock = time.perf_counter_ns
) -> DeviceTiming:
    """Let the device time whole inferences, one at a time; no sample is dropped.

    Args:
        runtime: an open runtime.
        feeds: real inputs, host arrays of shape (batch, ...); bound once.
        rule: when to stop.
        clock: monotonic, nanoseconds; it says when to stop and measures nothing.

    Raises:
        InferenceError: the runtime refused or failed.
    """
    runtime.bind(feeds)
    stages, course = repeat(
        runtime.time_stages, rule, clock, duration_of=lambda stage: stage.compute_s
    )
    return DeviceTiming(
        upload_s=tuple(stage.upload_s for stage in stages),
        compute_s=tuple(stage.compute_s for stage in stages),
        download_s=tuple(stage.download_s for stage in stages),
        course=course,
    )


def time_enqueue(
    runtime: DeviceRuntime, feeds: Feeds, rule: TimingRule, clock: Clock = time.perf_counter_ns
) -> Timing:
    """Time the call that starts an inference, on the host; no sample is dropped.

    Each inference is waited for after its sample was taken. Calls that pile up would fill the
    device's queue, and then the call itself waits.

    Args:
        runtime: an open runtime.
        feeds: real inputs, host arrays of shape (batch, ...); bound once.
        rule: when to stop.
        clock: monotonic, nanoseconds.

    Raises:
        InferenceError: the runtime refused or failed.
    """

    def sample() -> int:
        start = clock()
        runtime.run()
        taken = clock() - start
        runtime.sync()
        return taken

    runtime.bind(feeds)
    return in_seconds(*repeat(sample, rule, clock))
