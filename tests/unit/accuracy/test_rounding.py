import pytest

from spinn_edge.accuracy.golden_check import rounding_of
from spinn_edge.runtimes.base import RuntimeFacts


@pytest.mark.parametrize(
    ("precision", "tf32", "expected"),
    [
        ("fp32", None, "fp32"),
        ("fp32", False, "fp32"),
        ("fp32", True, "fp16"),
        ("fp16", True, "fp16"),
        ("int8", True, "int8"),  # never a tighter limit than that of the file itself
    ],
)
def test_tf32_gives_at_least_the_limit_of_fp16(precision, tf32, expected):
    assert rounding_of(precision, RuntimeFacts(tf32=tf32)) == expected
