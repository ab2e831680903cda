import re

import pytest

from spinn_edge.accuracy.precision.type_counts import TypeCounts, broken_claim


def counts(layers, **weights):
    return TypeCounts(layers=layers, counted_from="a test", weight_values=weights)


@pytest.mark.parametrize(
    ("precision", "found"),
    [
        ("fp32", counts({"fp16": 5})),
        ("fp16", counts({"fp16": 1, "fp32": 9})),
        ("fp16", counts({"fp16": 1}, fp16=50, fp32=50)),
        ("int8", counts({"int8": 1})),
        ("int8", counts({"fp32": 5}, int8=90, fp32=10)),  # the weights alone
    ],
)
def test_a_true_claim_is_believed(precision, found):
    assert broken_claim(precision, found) is None


@pytest.mark.parametrize(
    ("precision", "found", "words"),
    [
        ("fp16", counts({"fp16": 0, "fp32": 9}), r"none of its layers does \(0 in fp16, 9 in fp32"),
        ("fp16", counts({"fp32": 9}, fp16=100), "none of its layers"),
        ("fp16", counts({"fp16": 9}, fp16=49, fp32=51), "only 49.0% of its weights are in fp16"),
        ("int8", counts({"fp32": 9}), "none of its layers"),
        ("int8", counts({"fp32": 9}, fp32=10), r"only 0\.0% of its weights are in int8"),
        ("int8", counts({"int8": 1}, int8=49, fp32=51), "expected at least 50%"),
    ],
)
def test_a_false_claim_is_told_with_what_was_counted(precision, found, words):
    assert re.search(words, broken_claim(precision, found) or "")


def test_bytes_follow_from_the_types():
    found = counts({}, int8=3, fp16=3, bf16=3, fp32=3, fp64=3)
    assert found.weight_bytes == {"int8": 3, "fp16": 6, "bf16": 6, "fp32": 12, "fp64": 24}
    assert found.weight_share("int8") == pytest.approx(0.2)
    assert counts({}).weight_share("int8") is None
