from xml.etree import ElementTree

import pytest

from spinn_edge.accuracy.parity import Parity
from spinn_edge.report.results_junit import results_junit
from tests.unit.report.results import DENSE, result, row, unavailable
from tests.unit.report.sources import HOSTILE, compared, hostile, named, sources

NAME = "dense: ort-cpu, fp32, batch 1, host-to-host"


def cases(*results):
    root = ElementTree.fromstring(results_junit(sources(*results).results))
    return root, {(c.get("classname"), c.get("name")): c for c in root.iter("testcase")}


def test_each_row_and_each_parity_is_a_case():
    root, found = cases(compared())
    assert len(found) == 4 == int(root.get("tests"))
    timed = found["spinn-edge.timed", "pruned: ort-cpu, fp32, batch 1, host-to-host"]
    assert timed.find("system-out").text == "median 101 µs, speed-up 4.06× (4.00 to 4.12)"
    parity = found["spinn-edge.parity", NAME]
    assert parity.find("system-out").text == "largest difference 3.25e-07, allowed 1e-05"
    assert root.get("failures") == root.get("skipped") == "0"


def test_parity_and_timing_that_failed_are_failures_with_the_reason():
    off = Parity(passed=False, output="y", max_abs=0.125, tolerance=1e-5, reason="output y differs")
    bad = row("dense", 0.0, status="failed", reason="parity", samples_s=(), parity=off)
    root, found = cases(result((bad,), (DENSE,)))
    assert root.get("failures") == "2"
    assert (
        found["spinn-edge.parity", NAME]
        .find("failure")
        .get("message")
        .endswith("0.125, allowed 1e-05: output y differs")
    )
    assert found["spinn-edge.timed", NAME].find("failure").get("message") == "parity"


def test_what_cannot_work_here_and_the_end_of_a_sweep_are_skipped():
    end = row("dense", 0.0, status="failed", reason="out of memory", samples_s=(), batch=4096,
              parity=None, ends_sweep=True)  # fmt: skip
    root, found = cases(result((unavailable("dense"), end), (DENSE,)))
    assert (root.get("skipped"), root.get("failures")) == ("2", "0")
    assert [c.find("skipped").get("message") for c in found.values()] == ["no GPU", "out of memory"]


def test_cases_of_several_machines_are_named_after_their_results():
    _, found = cases(compared(), compared())
    assert ("spinn-edge.timed", f"r1: {NAME}") in found
    assert len(found) == 8


def test_remarks_stand_with_the_suite():
    root, _ = cases(compared())
    assert "noise floor" in root.find("testsuite/system-out").text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_xml(name):
    document = results_junit([named(hostile(name), name)])
    assert ElementTree.fromstring(document).get("tests") == "5"
