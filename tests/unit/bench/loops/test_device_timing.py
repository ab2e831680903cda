import gc
import itertools
from typing import Any

import pytest

from spinn_edge.bench.loops.device_timing import time_device, time_enqueue
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.core.errors import InferenceError
from spinn_edge.runtimes.base import DeviceRuntime, DeviceStages
from tests.fakes.runtime import DEVICE_NS, FakeClock, FakeDeviceRuntime, FakeRuntime

FEEDS: dict[str, Any] = {}


def same(feeds):
    return {}


def rule(**changes):
    defaults = {
        "warmup_runs": 2,
        "warmup_s": 0.0,
        "budget_s": 1e6,
        "most_samples": 3,
        "fewest_samples": 1,
    }
    return TimingRule(**(defaults | changes))


def stages(*compute_us):
    return tuple(
        DeviceStages(upload_s=us / 1e7, compute_s=us / 1e6, download_s=us / 1e8)
        for us in compute_us
    )


def test_the_fake_is_a_device_runtime_and_the_plain_one_is_not():
    assert isinstance(FakeDeviceRuntime(), DeviceRuntime)
    assert not isinstance(FakeRuntime(), DeviceRuntime)


# --- device


def test_device_samples_are_what_the_device_measured_and_no_clock_of_ours():
    clock = FakeClock()
    runtime = FakeDeviceRuntime(same, clock, stages=stages(900, 900, 10, 20, 30))
    timing = time_device(runtime, FEEDS, rule(), clock)
    assert timing.compute_s == pytest.approx((10e-6, 20e-6, 30e-6))
    assert timing.upload_s == pytest.approx((1e-6, 2e-6, 3e-6))
    assert timing.download_s == pytest.approx((1e-7, 2e-7, 3e-7))
    assert timing.course.warmup_runs == 2


def test_device_inputs_are_bound_once_before_the_first_inference():
    runtime = FakeDeviceRuntime(same)
    time_device(runtime, FEEDS, rule(), FakeClock())
    assert runtime.calls == ["bind", *["time_stages"] * 5]


def test_no_device_sample_is_dropped_however_slow():
    runtime = FakeDeviceRuntime(same, stages=stages(0, 0, *[1, 5000] * 50))
    timing = time_device(runtime, FEEDS, rule(most_samples=100), FakeClock())
    assert len(timing.compute_s) == len(timing.upload_s) == len(timing.download_s) == 100
    assert timing.compute_s.count(0.005) == 50


def test_device_timing_ends_with_its_time():
    clock = FakeClock()
    runtime = FakeDeviceRuntime(same, clock)
    timing = time_device(runtime, FEEDS, rule(budget_s=0.028, most_samples=99), clock)
    assert len(timing.compute_s) == 0.028 * 1e9 / DEVICE_NS


def test_a_refusal_of_the_device_goes_on_and_garbage_is_collected_again():
    runtime = FakeDeviceRuntime(same)
    calls = itertools.count()
    real = runtime.time_stages

    def fail_at_four():
        if next(calls) == 3:
            raise InferenceError("cudaEventSynchronize failed")
        return real()

    runtime.time_stages = fail_at_four  # type: ignore[method-assign]
    with pytest.raises(InferenceError, match="cudaEventSynchronize"):
        time_device(runtime, FEEDS, rule(), FakeClock())
    assert gc.isenabled()


# --- enqueue


def test_enqueue_samples_span_the_call_and_not_the_wait_for_its_end():
    clock = FakeClock()
    durations = itertools.chain([900, 900], itertools.count(1000, 1000))
    runtime = FakeDeviceRuntime(same, clock, durations)
    timing = time_enqueue(runtime, FEEDS, rule(), clock)
    assert timing.samples_s == (1e-6, 2e-6, 3e-6)
    assert timing.course.warmup_runs == 2
    assert clock.now_ns > 5 * DEVICE_NS  # each of them was waited for, outside its sample


def test_each_enqueue_finds_an_idle_device():
    runtime = FakeDeviceRuntime(same)
    time_enqueue(runtime, FEEDS, rule(), FakeClock())
    assert runtime.calls == ["bind", *["run", "sync"] * 5]
