"""Checks as JUnit XML, which most CI systems can show as test results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from spinn_edge.bench.regression.comparison import Comparison
from spinn_edge.bench.regression.latency_change import LatencyChange
from spinn_edge.report.comparison_words import change_words, comparison_remarks

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, escaped or not.

Source: Extensible Markup Language (XML) 1.0, fifth edition, production 2, Char.
"""


PASSED, FAILED, SKIPPED = "system-out", "failure", "skipped"
"""Names of the elements that say what became of a case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test case.

    Attributes:
        kind: which of our checks.
        name: of what was checked.
        outcome: ``PASSED``, ``FAILED`` or ``SKIPPED``.
        words: what was found.
    """

    kind: str
    name: str
    outcome: str
    words: str


def comparison_junit(comparison: Comparison) -> str:
    """Return a test case for each thing compared; what was not judged counts as skipped."""
    cases = [
        Case(
            kind="latency" if isinstance(change, LatencyChange) else change.kind,
            name=change.name,
            outcome=FAILED if change.failed else PASSED if change.judged else SKIPPED,
            words=change_words(change, comparison),
        )
        for change in comparison.changes
    ]
    return junit_text("spinn-edge compare", cases, comparison_remarks(comparison))


def junit_text(name: str, cases: Sequence[Case], remarks: Sequence[str]) -> str:
    """Return one suite as a document.

    Args:
        name: of the suite.
        cases: in order.
        remarks: what else is to be said, a sentence each.
    """
    outcomes = [case.outcome for case in cases]
    counts = {
        "tests": len(cases),
        "failures": outcomes.count(FAILED),
        "errors": 0,
        "skipped": outcomes.count(SKIPPED),
    }
    attributes = {"name": name, **{k: str(v) for k, v in counts.items()}}
    root = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(root, "testsuite", attributes)
    for case in cases:
        _add_case(suite, case)
    if remarks:
        ElementTree.SubElement(suite, PASSED).text = _legal("\n".join(remarks))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _add_case(suite: ElementTree.Element, case: Case) -> None:
    name = {"classname": f"spinn-edge.{case.kind}", "name": _legal(case.name)}
    element, words = ElementTree.SubElement(suite, "testcase", name), _legal(case.words)
    if case.outcome == FAILED:
        failure = {"message": words, "type": case.kind}
        ElementTree.SubElement(element, FAILED, failure).text = words
    elif case.outcome == SKIPPED:
        ElementTree.SubElement(element, SKIPPED, {"message": words})
    else:
        ElementTree.SubElement(element, PASSED).text = words


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
