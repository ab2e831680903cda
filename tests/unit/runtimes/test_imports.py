"""What is loaded when: a subprocess each, since this process has loaded everything long ago."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import spinn_edge.bench

HEAVY = ("torch", "onnx", "onnxruntime", "onnxscript", "safetensors", "tensorrt", "tensorrt_rtx")
ROOT = Path(spinn_edge.__file__).parent.parent


def modules_after(code: str) -> set[str]:
    """Return the top-level packages and ``cuda.bindings`` that ``code`` left in memory."""
    report = "import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = json.loads(done.stdout.splitlines()[-1])
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    "module",
    [
        "spinn_edge",
        "spinn_edge.cli.app",
        "spinn_edge.runtimes",
        "spinn_edge.runtimes.ort.cpu",
        "spinn_edge.runtimes.ort.cuda",
        "spinn_edge.runtimes.trt.opening",
        "spinn_edge.export.bundling",
        "spinn_edge.bench",
        "spinn_edge.bench.session",
        "spinn_edge.bench.processes.worker",
        "spinn_edge.report.console",
        "spinn_edge.report.markdown",
    ],
)
def test_importing_loads_no_heavy_package(module):
    assert not modules_after(f"import {module}") & {*HEAVY, "cuda"}


def test_importing_the_package_loads_not_even_numpy():
    assert "numpy" not in modules_after("import spinn_edge")


def test_importing_bench_loads_not_even_numpy_or_rich():
    assert not modules_after("import spinn_edge.bench") & {"numpy", "rich"}


@pytest.mark.parametrize("name", ["ModelBenchmark", "BenchmarkSuite", "quick_benchmark"])
def test_asking_bench_for_a_name_loads_no_heavy_package(name):
    code = f"from spinn_edge.bench import {name}\nassert {name}.__name__ == '{name}'"
    assert not modules_after(code) & {*HEAVY, "cuda", "scipy"}


def test_bench_has_no_other_name():
    with pytest.raises(AttributeError, match=r"'spinn_edge\.bench' has no attribute 'Bench'"):
        _ = spinn_edge.bench.Bench


def test_ort_cpu_infers_without_torch(tiny_bundle):
    code = (
        "import numpy as np\n"
        "from spinn_edge.runtimes import open_runtime\n"
        f"with open_runtime({str(tiny_bundle.root)!r}, runtime='ort-cpu') as model:\n"
        "    assert model(np.zeros((2, 18), np.float32)).shape == (2, 2)"
    )
    loaded = modules_after(code)
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "onnx", "onnxscript", "safetensors", "cuda", "tensorrt_rtx"}


def test_verifying_ort_cpu_needs_no_torch(tiny_bundle):
    code = (
        "from pathlib import Path\n"
        "from spinn_edge.accuracy.verification import verify_bundle\n"
        "from spinn_edge.core.bundle import Bundle\n"
        f"bundle = Bundle.load(Path({str(tiny_bundle.root)!r}))\n"
        "assert verify_bundle(bundle, ['ort-cpu']).passed"
    )
    assert "torch" not in modules_after(code)


def test_probing_every_runtime_loads_no_torch():
    code = "from spinn_edge.report.runtime_status import runtime_statuses\nruntime_statuses()"
    assert not modules_after(code) & {"torch", "onnx", "tensorrt", "tensorrt_rtx"}
