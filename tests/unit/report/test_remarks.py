import dataclasses

import pytest

from spinn_edge.report.remarks import row_remarks, score_remarks
from tests.unit.report.results import DENSE_SCORES, result, row, unavailable


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
