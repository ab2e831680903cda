import math

import pytest

from spinn_edge.core.errors import ExportError
from spinn_edge.export.sensitivity import Verdict, choose_products

SIZES = {"a": 10, "b": 100, "c": 100, "d": 10}


def judge_with(harm, limit=1.0, asked=None):
    """Errors of products add up."""

    def judge(names):
        if asked is not None:
            asked.append(names)
        error = sum(harm[name] for name in names)
        return Verdict(error=error, fault=None if error <= limit else f"error {error:g}")

    return judge


def test_all_are_quantised_where_that_is_good_and_nothing_is_scanned():
    asked: list[tuple[str, ...]] = []
    choice = choose_products(SIZES, judge_with(dict.fromkeys(SIZES, 0.1), asked=asked))
    assert choice.quantised == ("a", "b", "c", "d")
    assert choice.left_out == ()
    assert choice.alone == {}
    assert asked == [("a", "b", "c", "d")]


def test_the_most_harmful_are_left_out_first_and_no_more_than_needed():
    harm = {"a": 5.0, "b": 0.2, "c": 0.6, "d": 0.9}
    choice = choose_products(SIZES, judge_with(harm))
    assert choice.left_out == ("a", "d")
    assert choice.quantised == ("b", "c")
    assert choice.error == pytest.approx(0.8)
    assert choice.alone == harm


def test_what_is_infinite_is_the_most_harmful():
    harm = {"a": 0.1, "b": 0.2, "c": 0.1, "d": math.inf}
    assert choose_products(SIZES, judge_with(harm)).left_out == ("d",)


def test_less_than_half_of_the_weights_in_int8_is_refused_in_words():
    harm = {"a": 0.1, "b": 5.0, "c": 5.0, "d": 0.1}
    with pytest.raises(ExportError) as caught:
        choose_products(SIZES, judge_with(harm))
    message = str(caught.value)
    assert "error 5.2" in message  # with b alone left out, the last that was tried
    assert "b (alone 5 of scale), c (alone 5 of scale)" in message
    assert "--int8 static, dynamic or weight-only" in message


def test_a_single_product_that_harms_is_refused():
    with pytest.raises(ExportError, match="error 2"):
        choose_products({"a": 10}, judge_with({"a": 2.0}))
