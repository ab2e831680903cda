"""What only a real GPU can prove: right answers, honest device times, nothing left behind."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path

import pytest

from spinn_edge.accuracy.golden_check import check_golden
from spinn_edge.accuracy.parity import against_reference
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import DeviceRuntime, OpenOptions, infer

pytestmark = pytest.mark.gpu

ON_GPU = [name for name in registry.RUNTIMES if "cuda" in name or name.startswith("trt")]


@pytest.fixture(params=ON_GPU)
def name(request, gpu):
    """Each runtime of the GPU that can work here; the others are skipped with their reason."""
    found = registry.probe(request.param)
    if not found.available:
        pytest.skip(f"{request.param}: {found.reason}")
    return request.param


def open_or_skip(name, bundle, precision="fp32"):
    if not bundle.manifest.files_of(registry.find(name).format, precision):
        pytest.skip(f"{name}: the bundle holds no {precision} file for it")
    return registry.open_backend(name, bundle, OpenOptions(precision=precision))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_outputs_agree_with_float64_at_every_batch(name, gpu_bundle, precision):
    runtime = open_or_skip(name, gpu_bundle, precision)
    limits = against_reference(gpu_bundle.manifest.parity, precision)
    for batch in (1, 2, 7, 16, 1):
        parity = check_golden(runtime, gpu_bundle.golden(), batch, limits)
        assert parity.passed, f"batch {batch}: {parity.reason}"
    runtime.close()


def test_int8_agrees_with_float64_at_every_batch(name, int8_bundle):
    runtime = open_or_skip(name, int8_bundle, "int8")
    limits = against_reference(int8_bundle.manifest.parity, "int8")
    for batch in (1, 2, 7, 16, 1):
        parity = check_golden(runtime, int8_bundle.golden(), batch, limits)
        assert parity.passed, f"batch {batch}: {parity.reason}"
    runtime.close()


def test_the_device_and_tf32_are_named(name, gpu, gpu_bundle):
    runtime = open_or_skip(name, gpu_bundle)
    assert gpu.name in runtime.facts.device
    assert gpu.sm in runtime.facts.device
    assert runtime.facts.tf32 is False
    runtime.close()


def test_device_time_is_part_of_host_time(name, gpu_bundle):
    runtime = open_or_skip(name, gpu_bundle)
    assert isinstance(runtime, DeviceRuntime)
    feeds = gpu_bundle.golden().at_batch(16).inputs
    for _ in range(50):
        infer(runtime, feeds)
    stages, host_s = [], []
    for _ in range(200):
        start = time.perf_counter()
        infer(runtime, feeds)
        host_s.append(time.perf_counter() - start)
        stages.append(runtime.time_stages())
    for part in ("upload_s", "compute_s", "download_s"):
        assert statistics.median(getattr(stage, part) for stage in stages) > 0
    assert statistics.median(s.compute_s for s in stages) < statistics.median(host_s)
    runtime.close()


def test_ten_thousand_runs_leave_nothing_behind(name, gpu_bundle):
    cudart = pytest.importorskip("cuda.bindings.runtime")

    def used() -> tuple[int, int]:
        _, free, total = cudart.cudaMemGetInfo()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return total - free, pages * 4096

    runtime = open_or_skip(name, gpu_bundle)
    golden = gpu_bundle.golden()
    samples = [golden.at_batch(batch).inputs for batch in (1, 7)]
    for run in range(100):
        infer(runtime, samples[run % 2])
    device, host = used()
    for run in range(10_000):
        infer(runtime, samples[run % 2])
    device_after, host_after = used()
    assert device_after <= device
    assert host_after - host < 2**20
    runtime.close()


def test_two_runtimes_in_two_threads_do_not_disturb_each_other(name, gpu_bundle):
    if name.startswith("compile") or name == "ort-cuda-graph":
        pytest.skip(f"{name}: compiling and capturing are for one thread of the process")
    open_or_skip(name, gpu_bundle).close()
    limits = against_reference(gpu_bundle.manifest.parity)
    golden = gpu_bundle.golden()
    verdicts = []

    def work(batch):
        runtime = registry.open_backend(name, gpu_bundle, OpenOptions())
        for _ in range(200):
            verdicts.append(check_golden(runtime, golden, batch, limits).passed)
        runtime.close()

    threads = [threading.Thread(target=work, args=(batch,)) for batch in (1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(verdicts) == 400
    assert all(verdicts)
