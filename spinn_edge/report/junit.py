"""A comparison as JUnit XML, which most CI systems can show as test results."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from spinn_edge.bench.regression.comparison import Change, Comparison
from spinn_edge.bench.regression.latency_change import LatencyChange
from spinn_edge.report.comparison_words import change_words, comparison_remarks

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, escaped or not.

Source: Extensible Markup Language (XML) 1.0, fifth edition, production 2, Char.
"""


def comparison_junit(comparison: Comparison) -> str:
    """Return a test case for each thing compared; what was not judged counts as skipped."""
    changes = comparison.changes
    counts = {
        "tests": len(changes),
        "failures": len(comparison.failures),
        "errors": 0,
        "skipped": sum(not change.judged and not change.failed for change in changes),
    }
    attributes = {"name": "spinn-edge compare", **{k: str(v) for k, v in counts.items()}}
    root = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(root, "testsuite", attributes)
    for change in changes:
        _add_case(suite, change, comparison)
    if remarks := comparison_remarks(comparison):
        ElementTree.SubElement(suite, "system-out").text = _legal("\n".join(remarks))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _add_case(suite: ElementTree.Element, change: Change, comparison: Comparison) -> None:
    kind = "latency" if isinstance(change, LatencyChange) else change.kind
    case = ElementTree.SubElement(
        suite, "testcase", {"classname": f"spinn-edge.{kind}", "name": _legal(change.name)}
    )
    words = _legal(change_words(change, comparison))
    if change.failed:
        ElementTree.SubElement(case, "failure", {"message": words, "type": kind}).text = words
    elif not change.judged:
        ElementTree.SubElement(case, "skipped", {"message": words})
    else:
        ElementTree.SubElement(case, "system-out").text = words


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
