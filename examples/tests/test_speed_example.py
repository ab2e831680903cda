"""Speed tests for a suite of your own: copy this file and put your bundles into the fixtures.

Run them all with ``pytest examples/tests``, some with ``-m performance``, ``-m "not slow"`` or
``-m gpu``. In a project of your own, register the markers in pyproject.toml::

    [tool.pytest.ini_options]
    markers = [
      "performance: compares speeds inside one run",
      "slow: longer than ten seconds",
      "gpu: needs a CUDA device",
    ]

No test asserts a time in seconds, which holds on one machine only. Speeds are compared inside one
run, launches in turn, and only a difference that clears the noise floor counts.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from spinn_edge.bench.evidence.intervals import FASTER, SLOWER
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.regression.comparison import Limits, compare_results
from spinn_edge.bench.regression.stored import read_result, save_baseline
from spinn_edge.bench.result import BenchResult
from spinn_edge.bench.session import BenchRequest, run_bench
from spinn_edge.core.bundle import Bundle
from spinn_edge.report.json_document import bench_document, to_text
from spinn_edge.runtimes import registry

pytest.importorskip("onnxruntime")

QUICK = TimingRule(budget_s=0.1)


def make_bundle(folder: Path, widths: tuple[int, ...]) -> Bundle:
    """Write an untrained network; yours comes from ``Bundle.load(Path("my-bundle"))``."""
    torch = pytest.importorskip("torch")
    from spinn_edge.core.manifest import Architecture
    from spinn_edge.export.bundling import ExportRequest, write_bundle
    from spinn_edge.models.loading import LoadedModel
    from spinn_edge.models.modules import MLP

    with torch.random.fork_rng():
        torch.manual_seed(0)
        mlp = MLP(widths, "tanh").eval()
    architecture = Architecture(kind="mlp", widths=mlp.widths, activation=mlp.activation)
    model = LoadedModel(origin=folder.name, architecture=architecture, module=mlp)
    return write_bundle(model, folder, ExportRequest(formats=("onnx",), max_batch=64))


@pytest.fixture(scope="session")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return what the pruned network is compared with."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "dense", (8, 512, 512, 2))


@pytest.fixture(scope="session")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Return the network that is to be shipped."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "pruned", (8, 64, 64, 2))


@pytest.fixture(scope="session")
def timed(dense: Bundle, pruned: Bundle) -> BenchResult:
    """Time both once, for every test that looks at figures."""
    request = BenchRequest(runtimes=("ort-cpu",), batches=(64,), launches=5, rule=QUICK)
    return run_bench(pruned, request, baseline=dense)


def row_of(result: BenchResult, bundle: Bundle) -> Row:
    """Return the one row of a bundle; a row that was not timed fails with its reason."""
    (row,) = (row for row in result.rows if row.bundle == bundle.name)
    assert row.status == "ok", row.reason
    return row


def test_pruned_model_is_smaller(dense: Bundle, pruned: Bundle) -> None:
    """Sizes need no clock and no marker."""
    before, after = (bundle.manifest.parameters for bundle in (dense, pruned))
    assert before is not None
    assert after is not None
    assert after < 0.1 * before


@pytest.mark.performance
def test_outputs_are_right_before_they_are_fast(timed: BenchResult, pruned: Bundle) -> None:
    """Every worker compared its outputs with the golden ones before it timed anything."""
    parity = row_of(timed, pruned).parity
    assert parity is not None
    assert parity.passed, parity.reason


@pytest.mark.performance
def test_pruned_model_is_surely_faster(timed: BenchResult, pruned: Bundle) -> None:
    """Surely: the whole interval of the speed-up lies beyond the noise floor."""
    row = row_of(timed, pruned)
    assert row.verdict == FASTER, f"{row.verdict}: {row.speedup}, {row.speedup_interval}"


@pytest.mark.performance
@pytest.mark.slow
def test_nothing_is_slower_than_the_stored_baseline(
    timed: BenchResult, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Name your baseline with MY_BASELINE; the first run of a new machine writes it."""
    folder = tmp_path_factory.getbasetemp()
    stored = Path(os.environ.get("MY_BASELINE", folder / "baseline.json"))
    if not stored.exists():
        save_baseline(to_text(bench_document(timed)), stored)
        pytest.skip(f"there was no baseline; wrote {stored}")
    comparison = compare_results(read_result(stored), timed, Limits(fail_over=0.10))
    slower = [change for change in comparison.latencies if change.verdict == SLOWER]
    assert not comparison.failures, f"slower: {slower}; all: {comparison.failures}"


@pytest.mark.gpu
@pytest.mark.performance
@pytest.mark.slow
def test_gpu_serves_the_model_itself(pruned: Bundle) -> None:
    """A GPU that is not there skips the test; a silent fall-back to the CPU fails it."""
    found = registry.probe("eager-cuda")
    if not found.available:
        pytest.skip(f"no GPU: {found.reason}")
    request = BenchRequest(runtimes=("eager-cuda",), batches=(64,), launches=3, rule=QUICK)
    for row in run_bench(pruned, request).rows:
        assert row.status == "ok", row.reason
        assert row.served_by == "eager-cuda"
