"""What was checked beyond the golden samples, and what was chosen by hand, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping

from spinn_edge.accuracy.parity import LIMITS
from spinn_edge.accuracy.runtime_check import BatchCheck, SearchCheck
from spinn_edge.accuracy.search.worst_input import shorten
from spinn_edge.accuracy.verification import Verification
from spinn_edge.report import formatting as f

ROWS_ALONE = "rows alone"
SEARCH_HEAD = ("samples", "worst by", "difference", "allowed", "at")


def tolerance_words(tolerance: float | None, share_by_hand: float | None) -> str:
    """Return a tolerance, and that somebody chose it by hand where somebody did."""
    by_hand = "" if share_by_hand is None else " by hand"
    return f"{f.magnitude(tolerance)}{by_hand}"


def batch_verdict(check: BatchCheck) -> str:
    """Return what was proved of a runtime's batch."""
    proof = check.proof
    if proof.reason is not None:
        return proof.reason
    return f"batch {proof.beyond} {'is refused' if proof.beyond_refused else 'too'}"


def search_cells(check: SearchCheck) -> tuple[str, ...]:
    """Return the cells below ``SEARCH_HEAD``."""
    found = check.found
    return (
        f.whole(found.evaluations),
        found.found_by,
        f.magnitude(found.max_abs),
        tolerance_words(found.tolerance, check.share_by_hand),
        shorten(found.sample, most=4) if found.sample else "too long to show",
    )


def beyond_remarks(verification: Verification) -> list[str]:
    """Return what the tables do not say by themselves, a sentence each."""
    remarks = hand_remarks(verification.tolerances_by_hand)
    if verification.golden_fault:
        remarks.append(verification.golden_fault)
    if verification.search_note:
        remarks.append(verification.search_note)
    left_out = {check.found.left_out for check in verification.searches if check.found.left_out}
    if left_out:
        remarks.append(
            f"{max(left_out)} samples of the data's range were not compared: the model itself "
            "gives NaN or Inf there"
        )
    return remarks


def hand_remarks(chosen: Mapping[str, float]) -> list[str]:
    """Return a sentence about tolerances that were chosen by hand; none where none was.

    Args:
        chosen: shares of the scale by name.
    """
    if not chosen:
        return []
    words = [f"{name} {share:g}{_against_default(name, share)}" for name, share in chosen.items()]
    return [f"tolerances by hand, shares of the output's scale: {', '.join(words)}"]


def _against_default(name: str, share: float) -> str:
    """Say how much wider or tighter than the default a share is."""
    default = LIMITS.get(name.rpartition("@")[2] if "@" in name else "fp32", LIMITS["fp32"])
    if share == default:
        return " (the default)"
    ratio = share / default
    kind = "wider" if ratio > 1 else "tighter"
    precision = name.rpartition("@")[2] if "@" in name else "fp32"
    return f" ({max(ratio, 1 / ratio):.3g} times {kind} than the default of {precision})"
