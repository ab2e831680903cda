from typing import Any
from xml.etree import ElementTree

from spinn_edge.bench.regression.comparison import Limits, compare_results
from spinn_edge.report.junit import comparison_junit
from tests.unit.report.comparisons import facts, launched, new_result, old_result, slower


def parsed(comparison) -> Any:
    return ElementTree.fromstring(comparison_junit(comparison))


def test_each_change_is_a_case_and_the_counts_are_those_of_the_cases():
    comparison = slower()
    root = parsed(comparison)
    suite = root.find("testsuite")
    cases = root.findall(".//testcase")
    for element in (root, suite):
        assert element.get("tests") == str(len(cases)) == str(len(comparison.changes))
        assert element.get("failures") == str(len(root.findall(".//failure"))) == "1"
        assert (element.get("errors"), element.get("skipped")) == ("0", "0")


def test_failure_holds_the_words_and_is_named_by_its_row():
    case = parsed(slower()).find(".//testcase[failure]")
    assert case.get("name") == "pruned: ort-cpu, fp32, batch 1, host-to-host"
    assert case.get("classname") == "spinn-edge.latency"
    failure = case.find("failure")
    assert "+15.0 %" in failure.get("message")
    assert failure.text == failure.get("message")
    assert failure.get("type") == "latency"


def test_case_that_passes_says_what_was_found():
    case = parsed(slower(1.0)).find(".//testcase")
    assert case.find("failure") is None
    assert case.find("system-out").text.endswith("no difference seen")


def test_what_cannot_be_judged_is_skipped_and_remarked():
    old = old_result(launched(1e-4, (1.0,)), launched(1e-4, batch=8))
    comparison = compare_results(
        old, new_result(launched(3e-4, (1.0,))), Limits(allow_missing=True)
    )
    root = parsed(comparison)
    assert root.get("skipped") == str(len(root.findall(".//skipped"))) == "2"
    assert root.get("failures") == "0"
    assert "cannot fail" in root.find("testsuite/system-out").text


def test_hostile_names_are_escaped_and_the_document_stays_xml():
    name = "a<b>&\"'\x00\x1b[31m]]>\ud800\uffff\u00e9"
    old = old_result(launched(1e-4, bundle=name), bundles=facts(name=name))
    new = new_result(launched(2e-4, bundle=name), bundles=facts(name=name))
    comparison = compare_results(old, new)
    document = comparison_junit(comparison)
    document.encode("utf-8")
    case = parsed(comparison).find(".//testcase")
    assert case.get("name").startswith("a<b>&\"'\ufffd\ufffd[31m]]>\ufffd\ufffd\u00e9: ort-cpu")
    assert document.startswith('<?xml version="1.0" encoding="utf-8"?>\n<testsuites')
