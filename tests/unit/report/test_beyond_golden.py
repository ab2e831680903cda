"""What was checked beyond the golden samples, and what was chosen by hand."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from spinn_edge.accuracy.runtime_check import BatchCheck, Check, SearchCheck
from spinn_edge.accuracy.verification import Verification
from spinn_edge.core.proofs import BatchProof, SearchProof
from spinn_edge.report.beyond_golden import beyond_remarks, hand_remarks, tolerance_words
from spinn_edge.report.console import search_table, verification_table

CHECK = Check(runtime="trt", batch=1, max_abs=1e-7, tolerance=1e-6, passed=True)
BATCH = BatchProof(
    batches=(1, 2, 7, 16),
    beyond=17,
    beyond_refused=True,
    output="y",
    channel=0,
    max_abs=2e-7,
    tolerance=1e-6,
)
FOUND = SearchProof(
    random=1024,
    corners=16,
    steps=2048,
    left_out=0,
    seed=0,
    output="y",
    channel=1,
    max_abs=3e-7,
    tolerance=1e-6,
    found_by="corner",
    sample={"x": [1.0, -2.5, 3.0, 4.0, 5.0]},
)


def text(table):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def verification(batch=BATCH, found=FOUND, share=None, **more):
    return Verification(
        bundle="b",
        checks=(replace(CHECK, share_by_hand=share),),
        skipped=(),
        batch_checks=(BatchCheck(runtime="trt", precision="fp32", proof=batch),),
        searches=(SearchCheck(runtime="trt", precision="fp32", found=found, share_by_hand=share),),
        **more,
    )


def test_the_table_says_what_became_of_one_sample_too_many():
    assert "passed; batch 17 is refused" in text(verification_table(verification()))
    unbounded = replace(BATCH, beyond_refused=False)
    assert "passed; batch 17 too" in text(verification_table(verification(unbounded)))
    broken = replace(BATCH, reason="row 3 depends on others", max_abs=None, tolerance=None)
    shown = text(verification_table(verification(broken)))
    assert "failed: row 3 depends on others" in shown


def test_the_search_table_holds_difference_limit_place_and_verdict():
    shown = text(search_table(verification()))
    for words in ("3,088", "corner", "3e-07", "1e-06", "x = [1, -2.5, 3, 4, …]", "passed"):
        assert words in shown
    failed = replace(FOUND, reason="differs", sample={})
    shown = text(search_table(verification(found=failed)))
    assert "failed" in shown
    assert "too long to show" in shown


def test_a_limit_by_hand_is_marked_wherever_it_stands():
    by_hand = verification(share=1e-4)
    assert "1e-06 by hand" in text(verification_table(by_hand))
    assert "1e-06 by hand" in text(search_table(by_hand))
    assert "by hand" not in text(verification_table(verification()))
    assert (tolerance_words(1e-6, None), tolerance_words(None, None)) == ("1e-06", "–")


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"wear": 1e-4}, "wear 0.0001 (10 times wider than the default of fp32)"),
        ({"*": 1e-6}, "* 1e-06 (10 times tighter than the default of fp32)"),
        ({"*@fp16": 1e-2}, "*@fp16 0.01 (2 times wider than the default of fp16)"),
        ({"*": 1e-5}, "* 1e-05 (the default)"),
    ],
)
def test_a_limit_by_hand_is_said_with_what_it_replaces(chosen, words):
    (remark,) = hand_remarks(chosen)
    assert remark == f"tolerances by hand, shares of the output's scale: {words}"


def test_remarks_say_what_no_table_shows():
    assert beyond_remarks(verification()) == []
    odd = verification(
        found=replace(FOUND, left_out=3),
        golden_fault="golden.npz is stale",
        search_note="not searched",
        tolerances_by_hand={"*": 1e-4},
    )
    by_hand, stale, note, left_out = beyond_remarks(odd)
    assert by_hand.startswith("tolerances by hand")
    assert (stale, note) == ("golden.npz is stale", "not searched")
    assert left_out.startswith("3 samples of the data's range were not compared")


def test_a_stale_golden_file_fails_a_verification_whose_checks_pass():
    assert verification().passed
    assert not verification(golden_fault="golden.npz is stale").passed
    assert not verification(replace(BATCH, reason="no")).passed
    assert not verification(found=replace(FOUND, reason="no")).passed
