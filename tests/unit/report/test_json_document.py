import json

import pytest

from spinn_edge.accuracy.runtime_check import Check
from spinn_edge.accuracy.verification import Skipped, Verification, verify_bundle
from spinn_edge.bench.measurement import Row
from spinn_edge.core.decode import decode
from spinn_edge.report.json_document import (
    bench_document,
    inspection_document,
    runtimes_document,
    to_text,
    verification_document,
)
from spinn_edge.report.runtime_status import RuntimeStatus, runtime_statuses
from spinn_edge.runtimes import registry
from tests.unit.report.results import on_a_gpu, result, row, stand_in, unavailable


def verification(passed=True):
    return Verification(
        bundle="b",
        checks=(
            Check(
                runtime="eager",
                batch=1,
                max_abs=1e-7,
                tolerance=1e-6,
                passed=passed,
                reason=None if passed else "differs",
            ),
        ),
        skipped=(Skipped(runtime="trt", reason="no GPU"),),
    )


def test_a_document_is_json_that_ends_with_a_line():
    text = to_text({"a": (1, 2.5, None)})
    assert text.endswith("}\n")
    assert json.loads(text) == {"a": [1, 2.5, None]}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_json_does_not_have_are_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_text({"a": value})


@pytest.mark.parametrize("passed", [True, False])
def test_a_verification_states_its_verdict_and_every_check(passed):
    document = json.loads(to_text(verification_document(verification(passed))))
    assert document == {
        "passed": passed,
        "bundle": "b",
        "checks": [
            {
                "runtime": "eager",
                "batch": 1,
                "max_abs": 1e-7,
                "tolerance": 1e-6,
                "passed": passed,
                "reason": None if passed else "differs",
                "precision": "fp32",
                "served_by": "",
                "notices": [],
                "output": "",
                "channel": None,
                "share_by_hand": None,
            }
        ],
        "skipped": [{"runtime": "trt", "reason": "no GPU", "precision": "fp32"}],
        "batch_checks": [],
        "searches": [],
        "search_note": "",
        "golden_fault": None,
        "tolerances_by_hand": {},
        "claims": [],
    }


def test_a_real_verification_becomes_a_document(tiny_bundle):
    document = json.loads(
        to_text(verification_document(verify_bundle(tiny_bundle, ["ort-cpu", "trt"])))
    )
    assert document["passed"] is True
    assert [check["batch"] for check in document["checks"]] == [1, 2, 7, 16]
    (batch,) = document["batch_checks"]
    assert batch["proof"]["batches"] == [1, 2, 7, 16, 17]
    assert (batch["proof"]["beyond"], batch["proof"]["beyond_refused"]) == (17, False)


def test_an_inspection_states_the_facts_and_every_file(tiny_bundle):
    document = json.loads(to_text(inspection_document(tiny_bundle, "tiny")))
    manifest = tiny_bundle.manifest
    assert list(document) == [
        "name",
        "architecture",
        "parameters",
        "nonzero_parameters",
        "widths",
        "flops_per_sample",
        "inputs",
        "outputs",
        "max_batch",
        "golden_source",
        "tolerances_by_hand",
        "pruning",
        "training",
        "adaptation",
        "files",
    ]
    assert document["name"] == "tiny"
    assert document["parameters"] == manifest.parameters
    assert document["widths"] == [18, 16, 16, 2]
    assert document["inputs"] == [{"name": "input", "shape": [None, 18], "dtype": "float32"}]
    assert (document["pruning"], document["training"]) == (None, None)
    for entry, file in zip(document["files"], manifest.files, strict=True):
        assert (entry["path"], entry["sha256"]) == (file.path, file.sha256)
        assert [p["batch"] for p in entry["proof"]] == [p.batch for p in file.proof]


def test_runtimes_are_a_list_of_all_of_them():
    document = json.loads(to_text(runtimes_document(runtime_statuses())))
    assert [entry["name"] for entry in document] == list(registry.entries())
    for entry in document:
        assert set(entry) == {"name", "available", "version", "reason", "install"}
        assert entry["available"] == (entry["reason"] is None)


def test_a_runtime_that_is_missing_says_what_to_type():
    status = RuntimeStatus(
        name="trt", available=False, version=None, reason="not installed", install="pip install it"
    )
    assert runtimes_document((status,))[0]["install"] == "pip install it"


def test_a_benchmark_says_in_words_and_figures_what_is_launch_bound():
    rows = on_a_gpu("pruned")
    document = json.loads(to_text(bench_document(result(rows))))
    (verdict,) = document["launch_bound"]
    assert (verdict["runtime"], verdict["kernels"], verdict["bound_by"]) == (
        *("eager-cuda", 10, "launches"),
    )
    assert any("launch-bound" in remark for remark in document["remarks"])
    assert [r["boundary"] for r in document["rows"]] == ["host-to-host", "device", "enqueue"]
    read = [decode(Row, r, where="results") for r in document["rows"]]
    assert tuple(read) == rows


def test_a_benchmark_keeps_the_rows_that_a_table_leaves_out():
    rows = (unavailable("pruned"), row("pruned", 1e-4))
    document = json.loads(to_text(bench_document(result(rows, every_runtime=True))))
    assert [r["status"] for r in document["rows"]] == ["unavailable", "ok"]
    assert document["every_runtime"] is True
    assert document["remarks"][-1] == "not timed: trt (pruned): no GPU"
    assert document["remarks"][0].startswith("noise floor")


def test_a_stand_in_and_its_notice_are_in_the_document():
    document = json.loads(to_text(bench_document(result((stand_in("pruned", 1e-4),)))))
    (line,) = document["rows"]
    assert (line["runtime"], line["served_by"]) == ("trt", "ort-cpu")
    assert "stands in for trt" in line["facts"]["notices"][0]
    assert any("stands in for trt" in remark for remark in document["remarks"])


def test_a_benchmark_keeps_its_raw_samples():
    document = json.loads(to_text(bench_document(result())))
    assert document["schema_version"] == 1
    assert len(document["rows"][0]["samples_s"]) == 1000
    assert document["rows"][1]["speedup"] == pytest.approx(4)
