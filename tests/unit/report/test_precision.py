import pytest

from spinn_edge.accuracy.precision.truth import Claim
from spinn_edge.core.manifest import FileEntry
from spinn_edge.report.precision import claim_remarks, layer_words, task_remarks, weight_words


def entry(**details):
    return FileEntry(path="m.onnx", format="onnx", bytes=1, sha256="", details=details)


@pytest.mark.parametrize(
    ("counted", "words"),
    [
        ({"int8": 900, "fp32": 100}, "90 % int8, 10 % fp32"),
        ({"fp32": 5}, "100 % fp32"),
        ({"int8": 99999, "fp32": 1}, "99.9 % int8, 0.001 % fp32"),
        ({}, ""),
        (None, ""),
        ("of another version", ""),
    ],
)
def test_the_share_of_each_type_is_said_and_no_part_is_rounded_away(counted, words):
    assert weight_words(entry(weight_bytes=counted)) == words


def test_layers_are_said_by_type():
    assert layer_words(entry(layers={"fp16": 0, "fp32": 2, "int8": 3})) == "2 fp32, 3 int8"


def test_what_the_task_lost_is_said():
    task = {"rows": "9 rows of t.csv", "r2_loss": {"wear": 1.7e-4, "heat": -2e-5}, "limit": 0.01}
    assert task_remarks(entry(task_score=task)) == (
        "R² lost on 9 rows of t.csv: wear +0.00017, heat -2e-05; allowed 0.01 each",
    )


def test_a_task_that_was_not_scored_is_said():
    (words,) = task_remarks(entry(task_score={"rows": None, "r2_loss": {}, "limit": 0.01}))
    assert words.startswith("parity was checked, the task score was not")
    assert task_remarks(entry()) == ()


def test_claims_are_told_whether_they_hold_break_or_were_not_looked_at():
    lines = claim_remarks(
        (
            Claim(
                path="a", precision="int8", holds=True,
                layers={"fp32": 1, "int8": 3}, weight_bytes={"int8": 95, "fp32": 5},
            ),
            Claim(path="b", precision="fp16", holds=False, reason="b is a liar"),
            Claim(path="c", precision="fp16", holds=None, reason="not checked: no onnx"),
        )
    )  # fmt: skip
    assert lines == [
        "a is in int8: layers 1 fp32, 3 int8; 95 % of weight bytes",
        "precision: b is a liar",
        "c, fp16: not checked: no onnx",
    ]
