from spinn_edge.report.advice import advice_once


def test_one_fact_stands_before_its_advice():
    assert advice_once([("a is slow", "buy a faster one")]) == ["a is slow; buy a faster one"]


def test_advice_that_helps_several_is_said_once_behind_them():
    found = [("a", "x"), ("b", "y"), ("c", "x"), ("d", "")]
    assert advice_once(found) == ["a; c; x", "b; y", "d"]


def test_facts_without_advice_stay_apart():
    assert advice_once([("a", ""), ("b", "")]) == ["a", "b"]
