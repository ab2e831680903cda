"""The GPU check where there is no GPU: it says so; and its bookkeeping on what can run here."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

import spinn_edge
from spinn_edge.bench.result import BenchResult
from spinn_edge.runtimes.nvidia.driver import CudaDevice
from tests.unit.report.results import DENSE, ENVIRONMENT, PRUNED, row

SCRIPT = Path(spinn_edge.__file__).parent.parent / "benchmarks" / "gpu_check.py"
DEVICE = CudaDevice(name="NVIDIA Test 9000", compute_capability="8.6", driver_version="13.0")


@pytest.fixture(scope="module")
def gpu_check():
    spec = importlib.util.spec_from_file_location("gpu_check", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_check"] = module  # where dataclasses look for their annotations
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gpu_check"]


@pytest.fixture
def no_tests(gpu_check, monkeypatch):
    """Do not start pytest in pytest."""
    ended = {"exit_code": 0, "closing_line": "3 passed", "failures": []}
    monkeypatch.setattr(gpu_check, "_run_tests", lambda clock, skipped: ended)


def result_of(*rows):
    return BenchResult(
        created_utc="2026-01-01T00:00:00+00:00",
        environment=ENVIRONMENT,
        bundles=(DENSE, PRUNED),
        rows=rows,
    )


def device_row(runtime, median_s, **changes):
    return row("pruned", median_s, **{"runtime": runtime, "boundary": "device", **changes})


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--out", str(tmp_path / "results")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        pytest.skip("there is a GPU")
    assert done.returncode == 6
    assert "gpu-check needs an NVIDIA GPU" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


def test_the_speed_up_is_of_device_times_and_names_the_faster_runtime(gpu_check):
    result = result_of(
        device_row("eager-cuda", 60e-6),
        device_row("trt", 10e-6),
        device_row("ort-cuda-graph", 6e-6),
        device_row("trt", 1e-6, batch=32),
        device_row("trt", 1e-6, precision="fp16"),
        device_row("trt", 1e-6, boundary="enqueue"),
    )
    figure = gpu_check._speedup(result)
    assert figure.measured == "10.0× (ort-cuda-graph)"
    assert figure.met is True


def test_too_small_a_speed_up_is_missed(gpu_check):
    result = result_of(device_row("eager-cuda", 40e-6), device_row("trt", 10e-6))
    assert gpu_check._speedup(result).met is False


@pytest.mark.parametrize("rows", [(), (device_row("trt", 1e-6),)], ids=["none", "no eager"])
def test_a_speed_up_without_both_sides_is_not_measured(gpu_check, rows):
    figure = gpu_check._speedup(result_of(*rows) if rows else None)
    assert (figure.measured, figure.met) == ("not measured", None)


@pytest.mark.parametrize(("value", "met"), [(9e-6, True), (2e-5, False), (math.nan, False)])
def test_parity_is_the_worst_runtimes(gpu_check, value, met):
    probe = {"probe": "parity", "precision": "fp32", "runtime": "trt", "over_scale": value}
    figures = gpu_check._figures(None, [{**probe, "over_scale": 1e-9, "runtime": "pt2"}, probe])
    (figure,) = [figure for figure in figures if figure.name.startswith("fp32 parity")]
    assert figure.met is met
    assert "trt" in figure.measured


@pytest.mark.parametrize(
    ("host", "device", "met"), [(4096, 0, True), (2**21, 0, False), (0, 512, False)]
)
def test_memory_may_not_grow(gpu_check, host, device, met):
    probe = {
        "probe": "memory", "precision": "fp32", "runtime": "trt",
        "host_bytes": host, "device_bytes": device,
    }  # fmt: skip
    (figure,) = [f for f in gpu_check._figures(None, [probe]) if "memory" in f.name]
    assert figure.met is met


@pytest.mark.parametrize(("ratio", "met"), [(1.04, True), (1.06, False), (0.9, True)])
def test_the_wrapper_may_cost_five_per_cent(gpu_check, ratio, met):
    probe = {"probe": "overhead", "precision": "fp32", "runtime": "trt", "ratio": ratio}
    (figure,) = [f for f in gpu_check._figures(None, [probe]) if "wrapper" in f.name]
    assert figure.met is met


def test_results_and_reasons_are_written(gpu_check, no_tests, tiny_bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_check, "find_device", lambda: DEVICE)
    out = tmp_path / "results"
    code = gpu_check.main(
        [
            *("--out", str(out), "--seconds", "0.01", "--runtimes", "ort-cpu,trt"),
            *("--dense", str(tiny_bundle.root), "--pruned", str(copy_of(tiny_bundle, tmp_path))),
        ]
    )
    assert code == 0, "what was not measured is no failure"
    document = json.loads((out / "gpu-nvidia-test-9000.json").read_text())
    assert document["device"]["compute_capability"] == "8.6"
    assert any(reason.startswith("trt: ") for reason in document["skipped"])
    timed = [entry for entry in document["bench"]["rows"] if entry["status"] == "ok"]
    assert {entry["runtime"] for entry in timed} == {"ort-cpu"}
    assert {entry["batch"] for entry in timed} == set(gpu_check.BATCHES)
    assert not [key for entry in timed for key in entry if key.endswith("samples_s")]
    (parity,) = [p for p in document["probes"] if p["probe"] == "parity"]
    assert parity["runtime"] == "ort-cpu"
    assert 0 < parity["over_scale"] <= 1e-5
    page = (out / "gpu-nvidia-test-9000.md").read_text()
    assert "GPU check on NVIDIA Test 9000" in page
    assert "| not measured |" in page


def test_what_the_budget_does_not_allow_is_named(
    gpu_check, no_tests, tiny_bundle, tmp_path, monkeypatch
):
    monkeypatch.setattr(gpu_check, "find_device", lambda: DEVICE)
    out = tmp_path / "results"
    gpu_check.main(
        [
            *("--out", str(out), "--budget", "0", "--runtimes", "ort-cpu"),
            *("--dense", str(tiny_bundle.root), "--pruned", str(tiny_bundle.root)),
        ]
    )
    document = json.loads((out / "gpu-nvidia-test-9000.json").read_text())
    assert "ort-cpu: no time left" in document["skipped"]
    assert document["bench"] is None


def copy_of(bundle, folder):
    import shutil

    return shutil.copytree(bundle.root, folder / "pruned")
