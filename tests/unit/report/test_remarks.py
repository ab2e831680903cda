import dataclasses

import pytest

from spinn_edge.accuracy.runtime_check import Check
from spinn_edge.accuracy.verification import Skipped, Verification
from spinn_edge.report.remarks import (
    install_remarks,
    row_remarks,
    score_remarks,
    verification_remarks,
)
from spinn_edge.report.runtime_status import RuntimeStatus
from spinn_edge.runtimes.base import RuntimeFacts
from tests.unit.report.results import (
    DENSE_SCORES,
    PRUNED,
    on_a_gpu,
    result,
    row,
    stand_in,
    unavailable,
)


@pytest.mark.parametrize(
    ("score", "linear", "words"),
    [
        (0.9, 0.95, "a linear regression scores higher (0.9500 against 0.9000)"),
        (-0.1, -0.2, "R² is below 0"),
        (None, None, "constant over the scored rows"),
    ],
)
def test_bad_score_is_said_in_words(score, linear, words):
    scores = dataclasses.replace(DENSE_SCORES, r2={"wear": score}, linear_r2={"wear": linear})
    (remark,) = score_remarks(scores, "dense")
    assert remark.startswith("dense, wear: ")
    assert words in remark


def test_good_score_needs_no_words():
    scores = dataclasses.replace(DENSE_SCORES, r2={"wear": 0.9}, linear_r2={"wear": 0.8})
    assert score_remarks(scores, "dense") == []


def test_reasons_join_the_batches_they_hold_for():
    rows = (
        unavailable("pruned"),
        dataclasses.replace(unavailable("pruned"), batch=7),
        unavailable("dense", "no GPU\n  there"),
        row("pruned", 1e-4),
    )
    assert row_remarks(result(rows)) == [
        "pruned, trt, batch 1, 7: unavailable: no GPU",
        "dense, trt, batch 1: unavailable: no GPU there",
    ]


def test_reasons_name_the_boundary_where_only_some_failed():
    host, device, enqueue = on_a_gpu("pruned")
    failed = dataclasses.replace(device, status="failed", reason="no events", samples_s=())
    assert row_remarks(result((host, failed, enqueue))) == [
        "pruned, eager-cuda, batch 1, device: failed: no events"
    ]
    every = [dataclasses.replace(r, status="failed", reason="gone") for r in on_a_gpu("pruned")]
    assert row_remarks(result(tuple(every)))[0] == "pruned, eager-cuda, batch 1: failed: gone"


def test_reasons_name_the_precision_where_there_are_two():
    half = dataclasses.replace(unavailable("pruned"), precision="fp16")
    assert "pruned, trt fp16, batch 1: unavailable: no GPU" in row_remarks(
        result((half, row("pruned", 1e-4)))
    )


# --- what nobody named


def test_runtimes_that_cannot_work_here_are_one_line_a_reason():
    names = ("eager-cuda", "trt", "ort-cuda")
    rows = tuple(
        unavailable(bundle, "a CPU build" if name == "ort-cuda" else "no NVIDIA\ndriver", name)
        for bundle in ("dense", "pruned")
        for name in names
    )
    assert row_remarks(result(rows, every_runtime=True)) == [
        "not timed: eager-cuda, trt: no NVIDIA driver",
        "not timed: ort-cuda: a CPU build",
    ]
    assert len(row_remarks(result(rows))) == 6  # those that were named keep their own


def test_a_reason_that_holds_for_one_bundle_names_it():
    rows = (unavailable("dense", "holds no trt file"), row("pruned", 1e-4, runtime="trt"))
    (remark,) = row_remarks(result(rows, every_runtime=True))
    assert remark == "not timed: trt (dense): holds no trt file"


def test_one_batch_that_does_not_fit_is_not_left_out():
    rows = (
        dataclasses.replace(unavailable("pruned", "too large"), batch=9),
        row("pruned", 1e-4, runtime="trt"),
    )
    assert row_remarks(result(rows, every_runtime=True)) == [
        "pruned, trt, batch 9: unavailable: too large"
    ]


# --- what really loaded


def test_a_notice_is_said_once_for_all_rows_and_runtimes_that_it_holds_for():
    facts = RuntimeFacts(notices=("3 of 9 nodes run on the CPU",))
    rows = tuple(
        row(bundle, 1e-4, runtime=runtime, facts=facts, batch=batch)
        for bundle in ("dense", "pruned")
        for runtime in ("ort-cuda", "ort-cuda-graph")
        for batch in (1, 7)
    )
    assert row_remarks(result(rows)) == ["ort-cuda, ort-cuda-graph: 3 of 9 nodes run on the CPU"]


def test_a_stand_in_is_said():
    assert row_remarks(result((stand_in("pruned", 1e-4),), (PRUNED,))) == [
        "trt → ort-cpu: ort-cpu stands in for trt (trt: no NVIDIA driver)"
    ]


@pytest.mark.parametrize(
    ("tf32", "notices", "said"),
    [(True, (), 1), (True, ("TF32 is on",), 1), (False, (), 0), (None, (), 0)],
)
def test_tf32_is_said_once_whoever_says_it(tf32, notices, said):
    facts = RuntimeFacts(tf32=tf32, notices=notices)
    remarks = row_remarks(result((row("pruned", 1e-4, facts=facts),)))
    assert sum("TF32" in remark for remark in remarks) == len(remarks) == said


# --- what was not compared


def test_a_baseline_that_was_served_in_another_way_is_said():
    rows = (row("dense", 1e-4, runtime="trt"), stand_in("pruned", 1e-4))
    assert "pruned, trt → ort-cpu: not compared with dense: ort-cpu here, trt there" in row_remarks(
        result(rows)
    )
    same = (stand_in("dense", 1e-4), stand_in("pruned", 1e-4))
    assert not any("not compared" in remark for remark in row_remarks(result(same)))


# --- launches


def test_a_launch_bound_inference_is_said_with_its_figures_and_what_helps():
    (remark,) = row_remarks(result(on_a_gpu("pruned")))
    assert remark == (
        "pruned, eager-cuda, fp32, batch 1: launch-bound: the host takes 80.0 µs to start 10 "
        "kernels (8.00 µs each), the device is done after 90.0 µs, so it waits for the host; what "
        "helps: a CUDA graph (trt, ort-cuda-graph, compile-cuda-reduce-overhead), or a larger batch"
    )


def test_kernels_at_their_floor_are_said_and_no_graph_is_advised_to_a_graph():
    rows = on_a_gpu("pruned", "trt", facts=RuntimeFacts(cuda_graph=True))
    (remark,) = row_remarks(
        result(tuple(dataclasses.replace(r, launches=r.launches and 50) for r in rows))
    )
    assert "at the floor of its kernels: 50 kernels in a CUDA graph take 90.0 µs" in remark
    assert "1.80 µs each" in remark
    assert "ort-cuda-graph" not in remark


def test_an_inference_that_keeps_its_device_busy_needs_no_words():
    host, device, enqueue = on_a_gpu("pruned")
    quick = dataclasses.replace(enqueue, samples_s=(5e-6,))
    assert row_remarks(result((host, device, quick))) == []


# --- verify and runtimes


def test_a_verification_says_what_was_not_run_and_what_really_loaded():
    check = Check(
        runtime="trt",
        batch=1,
        max_abs=0.0,
        tolerance=1.0,
        passed=True,
        served_by="ort-cpu",
        notices=("ort-cpu stands in for trt",),
    )
    skipped = tuple(Skipped(runtime=name, reason="no GPU") for name in ("eager-cuda", "pt2-cuda"))
    verification = Verification(bundle="b", checks=(check, check), skipped=skipped)
    notice = "trt → ort-cpu: ort-cpu stands in for trt"
    assert verification_remarks(verification) == [notice]
    assert verification_remarks(verification, every_runtime=True) == [
        "not run: eager-cuda, pt2-cuda: no GPU",
        notice,
    ]


def test_an_advice_for_several_runtimes_is_given_once():
    def status(name, install):
        return RuntimeStatus(
            name=name, available=not install, version=None, reason=None, install=install
        )

    statuses = [status("eager", ""), status("trt", "pip install x"), status("b", "pip install x")]
    assert install_remarks(statuses) == ["to run trt, b: pip install x"]
