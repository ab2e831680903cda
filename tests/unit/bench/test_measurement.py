import dataclasses
import json
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.accuracy.parity import Parity
from spinn_edge.bench.machine.environment import Environment
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.pooling import pool
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.core.decode import decode
from spinn_edge.runtimes.base import RuntimeFacts
from tests.fakes.runtime import doubling_bundle

PARITY = Parity(passed=True, output="y", max_abs=1e-6, tolerance=1e-4)
ENVIRONMENT = Environment(
    cpu="a CPU",
    cores=8,
    affinity=2,
    load_1min=0.5,
    gpu="none",
    system="Linux",
    python="3.11",
    packages={"numpy": "2"},
)


def row(samples_s=(), **changes):
    base = Row(
        bundle="pruned",
        runtime="ort-cpu",
        batch=1,
        status="ok",
        reason=None,
        threads=1,
        samples_s=tuple(samples_s),
        parity=PARITY,
    )
    return dataclasses.replace(base, **changes)


# --- statistics


@given(st.lists(st.floats(1e-7, 10), min_size=2, max_size=50))
def test_median_mean_and_deviation_are_those_of_numpy(samples):
    timed = row(samples)
    assert timed.median_s == pytest.approx(np.median(samples))
    assert timed.mean_s == pytest.approx(np.mean(samples))
    assert timed.std_s == pytest.approx(np.std(samples, ddof=1), rel=1e-6, abs=1e-12)


def test_median_mean_and_deviation_are_those_of_the_standard_library():
    samples = [0.003, 0.001, 0.002, 0.010]
    timed = row(samples)
    assert timed.median_s == statistics.median(samples) == 0.0025
    assert timed.mean_s == statistics.fmean(samples)
    assert timed.std_s == statistics.stdev(samples)


def test_without_samples_there_are_no_statistics():
    timed = row()
    names = ("median_s", "mean_s", "std_s", "p90_s", "p99_s", "throughput_per_s", "speedup")
    assert [getattr(timed, name) for name in names] == [None] * 7


def test_one_sample_has_no_deviation():
    assert (row([0.002]).mean_s, row([0.002]).std_s) == (0.002, None)


@pytest.mark.parametrize(
    ("count", "p90", "p99"), [(99, False, False), (100, True, False), (1000, True, True)]
)
def test_percentiles_are_stated_only_with_enough_samples(count, p90, p99):
    samples = np.random.default_rng(0).exponential(1e-3, count)
    timed = row(samples.tolist())
    assert (timed.p90_s is not None, timed.p99_s is not None) == (p90, p99)
    if p90:
        assert timed.p90_s == pytest.approx(np.quantile(samples, 0.90))
    if p99:
        assert timed.p99_s == pytest.approx(np.quantile(samples, 0.99))


def test_one_slow_sample_in_fifty_shows_in_p99_mean_and_deviation():
    samples = [0.001] * 980 + [0.1] * 20
    timed = row(samples)
    assert timed.p99_s == 0.1
    assert timed.mean_s == pytest.approx(0.00298)
    assert timed.std_s is not None
    assert timed.std_s > 0.01
    assert timed.median_s == 0.001


def test_one_slow_sample_in_a_hundred_moves_p99_and_the_mean():
    calm, planted = row([0.001] * 1000), row([0.001] * 990 + [0.1] * 10)
    assert calm.p99_s == calm.mean_s == pytest.approx(0.001)
    assert planted.mean_s == pytest.approx(0.00199)
    assert planted.p99_s is not None
    assert planted.p99_s == pytest.approx(np.quantile(planted.samples_s, 0.99))
    assert planted.p99_s > 0.0015


def test_throughput_counts_samples_and_not_inferences():
    assert row([0.002] * 3, batch=1).throughput_per_s == 500
    assert row([0.002] * 3, batch=1000).throughput_per_s == 500_000


def test_speedup_is_above_one_when_faster_than_the_baseline():
    assert row([0.002], baseline_median_s=0.006).speedup == pytest.approx(3)
    assert row([0.002], baseline_median_s=0.001).speedup == pytest.approx(0.5)


def test_speedup_needs_both_medians():
    assert row([0.002]).speedup is None
    assert row([], baseline_median_s=0.001).speedup is None


# --- published keys


def result_of(bundle, *rows):
    return BenchResult(
        created_utc="2026-01-01T00:00:00+00:00",
        environment=ENVIRONMENT,
        bundles=(BundleFacts.of(bundle, "pruned", baseline=False),),
        rows=rows,
    )


def test_a_row_has_its_published_keys_and_values():
    samples = [0.001, 0.002, 0.003]
    document = row(
        samples, launch_samples=(2, 1), warmup_runs=20, file_bytes=99, baseline_median_s=0.004
    ).to_json()
    assert document == {
        "bundle": "pruned",
        "runtime": "ort-cpu",
        "precision": "fp32",
        "batch": 1,
        "boundary": "host-to-host",
        "rate_per_s": None,
        "pacing": None,
        "idle_gap_penalty": None,
        "idle_gap_interval": None,
        "idle_gap_verdict": None,
        "ends_sweep": False,
        "status": "ok",
        "reason": None,
        "exit_code": None,
        "threads": 1,
        "facts": None,
        "served_by": "ort-cpu",
        "samples_s": samples,
        "launch_samples": [2, 1],
        "warmup_runs": 20,
        "steady": [],
        "stopped_by": [],
        "launch_medians_s": [pytest.approx(0.0015), 0.003],
        "median_interval_s": None,
        "median_s": 0.002,
        "mean_s": pytest.approx(0.002),
        "std_s": pytest.approx(0.001),
        "p90_s": None,
        "p95_s": None,
        "p99_s": None,
        "p999_s": None,
        "modes": [],
        "upload_samples_s": [],
        "upload_median_s": None,
        "download_samples_s": [],
        "download_median_s": None,
        "throughput_samples_s": [],
        "energies": [],
        "joules_per_inference": None,
        "launches": None,
        "throughput_per_s": pytest.approx(500),
        "baseline_median_s": 0.004,
        "baseline_medians_s": [],
        "speedup": pytest.approx(2),
        "speedup_interval": None,
        "noise_floor": None,
        "verdict": None,
        "parity": {
            "passed": True,
            "output": "y",
            "max_abs": 1e-6,
            "tolerance": 1e-4,
            "reason": None,
            "channel": None,
            "share_by_hand": None,
        },
        "footprints": [],
        "file_bytes": 99,
    }


def test_a_row_states_what_really_loaded():
    facts = RuntimeFacts(
        file="model.onnx", device="a GPU", tf32=True, cuda_graph=True, max_batch=9, notices=("n",)
    )
    document = row([0.001], facts=facts).to_json()
    assert document["facts"] == {
        "file": "model.onnx",
        "device": "a GPU",
        "tf32": True,
        "cuda_graph": True,
        "min_batch": 1,
        "max_batch": 9,
        "served_by": "",
        "notices": ["n"],
    }


def test_every_row_can_be_read_again_from_its_document():
    full = row(
        [0.001, 0.002],
        boundary="device",
        precision="fp16",
        facts=RuntimeFacts(tf32=None, notices=("a", "b"), served_by="ort-cuda"),
        upload_samples_s=(1e-6, 2e-6),
        download_samples_s=(3e-6, 4e-6),
        throughput_samples_s=(5e-6,),
        launch_samples=(2,),
        launches=7,
        baseline_median_s=0.004,
    )
    for written in (full, row(status="failed", reason="no", parity=None)):
        text = json.dumps(written.to_json(), allow_nan=False)
        assert decode(Row, json.loads(text), where="results") == written


def test_a_row_that_was_not_timed_has_the_same_keys():
    failed = row(status="unavailable", reason="no GPU", parity=None)
    assert list(failed.to_json()) == list(row([0.001]).to_json())
    assert failed.to_json()["parity"] is None


def test_the_document_has_its_published_keys(tmp_path):
    document = result_of(doubling_bundle(tmp_path / "b"), row([0.001])).to_json()
    assert {"schema_version", "environment", "rows"} <= set(document)
    assert document["schema_version"] == 1
    assert document["environment"]["cpu"] == "a CPU"
    assert document["rows"][0]["parity"]["max_abs"] == 1e-6
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_facts_are_those_of_the_manifest(tmp_path):
    bundle = doubling_bundle(tmp_path / "b")
    facts = BundleFacts.of(bundle, "named", baseline=True)
    assert (facts.name, facts.baseline, facts.widths) == ("named", True, (3, 3))
    assert (facts.parameters, facts.parameter_bytes, facts.flops_per_sample) == (12, 48, 18)
    assert facts.file_bytes == {"model.txt": len("y = 2 x")}
    assert facts.scores is None


def test_parameter_bytes_are_unknown_where_parameters_are(tmp_path):
    bundle = doubling_bundle(tmp_path / "b")
    manifest = dataclasses.replace(bundle.manifest, parameters=None)
    facts = BundleFacts.of(dataclasses.replace(bundle, manifest=manifest), "n", baseline=False)
    assert facts.parameter_bytes is None


def test_pooled_launches_keep_every_sample_and_the_worst_parity():
    def parity(max_abs):
        return Parity(passed=True, output="y", max_abs=max_abs, tolerance=1.0)

    pooled = pool(
        [
            row([1.0, 2.0], warmup_runs=5, parity=parity(0.1)),
            row([9.0], warmup_runs=6, parity=parity(0.7)),
        ]
    )
    assert pooled.samples_s == (1.0, 2.0, 9.0)
    assert pooled.launch_samples == (2, 1)
    assert pooled.median_s == 2.0  # of all samples, not a mean of medians
    assert pooled.warmup_runs == 11
    assert pooled.parity == parity(0.7)


def test_pooled_launches_keep_every_copy_as_well():
    pooled = pool(
        [
            row([1.0], boundary="device", upload_samples_s=(0.1,), download_samples_s=(0.2,)),
            row([2.0], boundary="device", upload_samples_s=(0.3,), download_samples_s=(0.4,)),
        ]
    )
    assert (pooled.upload_samples_s, pooled.download_samples_s) == ((0.1, 0.3), (0.2, 0.4))
    assert pooled.upload_median_s == pytest.approx(0.2)
    assert pooled.download_median_s == pytest.approx(0.3)


def test_launches_that_another_runtime_served_are_not_joined():
    served = RuntimeFacts(served_by="ort-cpu")
    pooled = pool([row([1.0], runtime="trt"), row([9.0], runtime="trt", facts=served)])
    assert (pooled.status, pooled.samples_s, pooled.median_s) == ("failed", (), None)
    assert "trt, ort-cpu" in str(pooled.reason)


def test_an_enqueue_has_no_throughput():
    assert row([0.001], boundary="device").throughput_per_s == pytest.approx(1000)
    assert row([0.001], boundary="enqueue").throughput_per_s is None


# --- what may be compared


@pytest.mark.parametrize(
    "change",
    [
        {"boundary": "device"},
        {"boundary": "enqueue"},
        {"batch": 2},
        {"precision": "fp16"},
        {"runtime": "eager"},
        {"facts": RuntimeFacts(served_by="eager")},
        {"facts": RuntimeFacts(tf32=True)},
    ],
    ids=str,
)
def test_rows_are_comparable_only_under_equal_conditions(change):
    assert row([1.0]).conditions == row([2.0], bundle="dense").conditions
    assert row([1.0]).conditions != row([1.0], **change).conditions
