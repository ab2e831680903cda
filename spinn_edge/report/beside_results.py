"""Documents beside results: damaged ones are refused, verdicts told in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spinn_edge.accuracy.divergence.waterfall import Waterfall
from spinn_edge.accuracy.verification import Verification
from spinn_edge.core.decode import decode
from spinn_edge.report.roofline import read_roofline

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Validation:
    passed: bool
    reasons: tuple[str, ...]
    score: str
    source: str = "labelled rows"


def check_waterfall(raw: Raw, where: str) -> str:
    """Check a document of ``spinn-edge waterfall``; a chart tells what it holds.

    Raises:
        BundleError: a key is missing or of another type. So do the others below.
    """
    decode(Waterfall, raw, where=where)
    return ""


def check_explanation(raw: Raw, where: str) -> str:
    """Check the part of a document of ``spinn-edge explain`` that is drawn."""
    read_roofline(raw, where)
    return ""


def check_verification(raw: Raw, where: str) -> str:
    """Check a document of ``spinn-edge verify``, and return its verdict in a sentence."""
    found = decode(Verification, raw, where=where)
    ran = ", ".join(dict.fromkeys(check.runtime for check in found.checks)) or "no runtime"
    if found.passed:
        return f"verification of {found.bundle}: passed on {ran}"
    reasons = [check.reason for check in found.failed if check.reason]
    reasons = [found.golden_fault] if found.golden_fault else reasons
    first = f"; first: {reasons[0]}" if reasons else ""
    return f"verification of {found.bundle}: failed, ran on {ran}{first}"


def check_validation(raw: Raw, where: str) -> str:
    """Check a document of ``spinn-edge validate``, and return its verdict in a sentence."""
    found = decode(_Validation, raw, where=where)
    judged = f"validation of {found.score} and drift on {found.source}"
    first = f"; first: {found.reasons[0]}" if found.reasons else ""
    return f"{judged}: {'passed' if found.passed else 'failed'}{first}"
