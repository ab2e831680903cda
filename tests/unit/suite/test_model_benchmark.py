import io
import json

import pytest

from spinn_edge.bench import ModelBenchmark
from spinn_edge.bench.regression.stored import read_result
from spinn_edge.core.errors import UsageError
from tests.unit.suite.models import TINY, Wrapped, make_wrapped, mlp, sample, seeded

X = sample(2, 3)


@pytest.fixture(scope="module")
def benchmark():
    """Time a tiny network on the default runtimes, each in a process of its own."""
    done = ModelBenchmark(mlp(), X, "tiny", "cpu", launches=1, rule=TINY)
    done.run_all(batch_size=(1, 8), validation=(sample(20, 3), sample(20, 2)))
    return done


def test_every_figure_is_there(benchmark, tmp_path):
    result = read_result(benchmark.save_results(tmp_path / "tiny.json"))
    assert [(row.runtime, row.batch) for row in result.rows] == [
        (name, batch) for name in ("eager", "ort-cpu") for batch in (1, 8)
    ]
    for row in result.rows:
        assert (row.status, row.bundle) == ("ok", "tiny"), row.reason
        assert len(row.samples_s) == 3
        assert row.parity is not None
        assert row.parity.passed
        assert (row.footprints[0].peak_resident_bytes or 0) > 1e6
        assert row.file_bytes in result.bundles[0].file_bytes.values()
    (facts,) = result.bundles
    assert facts.parameters == 3 * 8 + 8 + 8 * 8 + 8 + 8 * 2 + 2
    assert facts.scores is not None
    assert facts.scores.rows == 20


def test_throughput_counts_the_batch(benchmark, tmp_path):
    rows = read_result(benchmark.save_results(tmp_path / "tiny.json")).rows
    for row in rows:
        times_s = row.throughput_samples_s or row.samples_s
        assert row.throughput_per_s == pytest.approx(row.batch * len(times_s) / sum(times_s))


def test_report_is_printed(benchmark):
    stream = io.StringIO()
    benchmark.print_report(file=stream)
    text = stream.getvalue()
    assert "Latency, host to host" in text
    assert "20 rows" not in text
    assert "tiny, target 0: R² is below 0" in text


def test_results_have_a_name_of_their_own(benchmark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = benchmark.save_results()
    assert path.name == "tiny-benchmark.json"
    assert json.loads(path.read_text())["bundles"][0]["name"] == "tiny"


def test_factory_gives_eager_to_a_model_of_any_class():
    named = ModelBenchmark(
        seeded(make_wrapped),
        X,
        runtimes=("eager",),
        launches=1,
        rule=TINY,
        factory="tests.unit.suite.models:make_wrapped",
    )
    (row,) = named.run_all().rows
    assert row.status == "ok", row.reason


def test_num_iterations_are_samples_of_each_launch():
    timed = ModelBenchmark(mlp(), X, runtimes=("ort-cpu",), launches=2, rule=TINY)
    (row,) = timed.run_all(num_iterations=7).rows
    assert row.launch_samples == (7, 7)


def test_gpu_that_is_not_here_is_a_row_with_its_reason(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    timed = ModelBenchmark(mlp(), X, device="cuda:0", runtimes=("ort-cuda",), launches=1, rule=TINY)
    (row,) = timed.run_all().rows
    assert (row.runtime, row.status) == ("ort-cuda", "unavailable")
    assert row.reason


@pytest.mark.parametrize("ask", ["print_report", "save_results", "recommendations"])
def test_nothing_can_be_asked_for_before_it_was_measured(ask):
    benchmark = ModelBenchmark(mlp(), X)
    with pytest.raises(UsageError, match=r"nothing was measured yet; call run_all\(\) first"):
        getattr(benchmark, ask)()


@pytest.mark.parametrize(
    ("model", "x", "options", "message"),
    [
        ("net", X, {}, r"expected a torch\.nn\.Module"),
        (mlp(), "x", {}, "sample_input is a str"),
        (mlp(), X, {"device": "cuda:1"}, "CUDA_VISIBLE_DEVICES=1"),
        (mlp(), X, {"name": ""}, "expected the name"),
        (mlp(), X, {"runtimes": ("onnx",)}, "unknown runtime 'onnx'"),
        (mlp(), X, {"launches": 0}, "launches=0"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(model, x, options, message):
    with pytest.raises(UsageError, match=message):
        ModelBenchmark(model, x, **options)


def test_batch_of_zero_is_refused():
    with pytest.raises(UsageError, match="batch_size=0"):
        ModelBenchmark(Wrapped(), X).run_all(0)
