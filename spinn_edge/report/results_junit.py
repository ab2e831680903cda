"""Results as JUnit XML: a case for each row that was to be timed, and one for its parity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.regression.row_pairing import row_name
from spinn_edge.report import formatting as f
from spinn_edge.report.junit import FAILED, PASSED, SKIPPED, Case, junit_text
from spinn_edge.report.result_remarks import result_remarks
from spinn_edge.report.sources import NamedResult


def results_junit(results: Sequence[NamedResult]) -> str:
    """Return one suite for all results; what cannot work on a machine counts as skipped.

    Args:
        results: where there are several, the cases are named after them.
    """
    several = len(results) > 1
    cases = [
        case
        for named in results
        for row in named.result.rows
        for case in _cases(row, f"{named.name}: " if several else "")
    ]
    remarks = [
        f"{named.name}: {remark}" if several else remark
        for named in results
        for remark in result_remarks(named.result)
    ]
    return junit_text("spinn-edge report", cases, remarks)


def _cases(row: Row, where: str) -> Iterator[Case]:
    name = f"{where}{row_name(row)}"
    reason = row.reason or row.status
    if row.status == "ok":
        words = f"median {f.seconds(row.median_s)}"
        words += "" if row.speedup is None else f", speed-up {f.speedup(row)}"
        yield Case(kind="timed", name=name, outcome=PASSED, words=words)
    else:
        # memory that ran out is how a sweep ends
        excused = row.status == "unavailable" or row.ends_sweep
        outcome = SKIPPED if excused else FAILED
        yield Case(kind="timed", name=name, outcome=outcome, words=reason)
    if (parity := row.parity) is not None:
        words = f"largest difference {f.magnitude(parity.max_abs)}"
        words += f", allowed {f.magnitude(parity.tolerance)}"
        outcome = PASSED if parity.passed else FAILED
        words += f": {parity.reason}" if parity.reason else ""
        yield Case(kind="parity", name=name, outcome=outcome, words=words)
