"""Results on disk: read back and checked, or kept as a baseline."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spinn_edge.bench.boundaries import BOUNDARIES
from spinn_edge.bench.evidence.intervals import launch_medians
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.regression.number_ranges import LONGEST_S, SHORTEST_S, number_fault
from spinn_edge.bench.regression.row_pairing import row_name
from spinn_edge.bench.result import RESULTS_SCHEMA_VERSION, BenchResult
from spinn_edge.core.atomic import write_whole
from spinn_edge.core.decode import decode
from spinn_edge.core.errors import BundleError, UsageError

_HOW = "write one with: spinn-edge bench MODEL --save-baseline FILE"
_STATUSES = ("ok", "unavailable", "failed")


def read_result(path: Path) -> BenchResult:
    """Read what ``spinn-edge bench --json`` or ``--save-baseline`` wrote.

    Raises:
        UsageError: there is no such file, it is no result of a benchmark, another version wrote it,
            or what it holds cannot have been measured.
    """
    return result_of(read_document(path), path)


def result_of(document: Any, path: Path) -> BenchResult:
    """Check and decode a document that was read already.

    Args:
        document: as :func:`read_document` gives it.
        path: of its file, for messages.

    Raises:
        UsageError: as for :func:`read_result`.
    """
    if not is_result(document):
        raise UsageError(f"{path} is no result of spinn-edge bench; {_HOW}")
    version = document["schema_version"]
    if type(version) is not int or version != RESULTS_SCHEMA_VERSION:  # True is 1, and so is 1.0
        raise UsageError(
            f"{path} has schema version {version!r:.40}, expected {RESULTS_SCHEMA_VERSION}; "
            f"measure again with this spinn-edge: {_HOW}"
        )
    try:
        result = decode(BenchResult, document, where=str(path))
        fault = next(_faults(result), "")
    except (BundleError, OverflowError) as exc:
        raise UsageError(f"{path} is a damaged result: {exc}; {_HOW}") from exc
    if fault:
        raise UsageError(f"{path} is a damaged result: {fault}; {_HOW}")
    return result


def check_baseline(path: Path) -> None:
    """Find out, before anything is measured, whether a baseline may be written there.

    Raises:
        UsageError: what lies there is no result of a benchmark.
    """
    if path.exists() and not _may_be_replaced(path):
        raise UsageError(
            f"{path} is no result of spinn-edge bench, so it is not overwritten; name another file "
            "with --save-baseline, or remove it"
        )


def save_baseline(document: str, path: Path) -> None:
    """Write a result's JSON document; nobody ever reads half of it.

    Args:
        document: as :func:`spinn_edge.report.json_document.bench_document` makes it; it comes as
            text because the remarks in it are made above this layer.
        path: where; a result that lies there is replaced, through a link if it is one.

    Raises:
        UsageError: what lies there is something else, or it cannot be written.
    """
    check_baseline(path)
    try:
        write_whole(path, document)
    except OSError as exc:
        raise UsageError(f"cannot write {path}: {exc}; name another file") from exc


def read_document(path: Path, advice: str = _HOW) -> Any:
    """Read a JSON document without NaN and Inf.

    Args:
        path: of its file.
        advice: what to do where it is none, the end of a message.

    Raises:
        UsageError: it cannot be read, or is no such document.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"cannot read {path}: {exc}; {advice}") from exc
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except _NoNumberError as exc:
        raise UsageError(f"{path} holds {exc}, which is no measurement; {advice}") from exc
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"{path} is no JSON document: {exc}; {advice}") from exc


class _NoNumberError(ValueError):
    """JSON has no NaN and no Inf; Python's reader would take them."""


def _refuse_constant(name: str) -> float:
    raise _NoNumberError(name)


def is_result(document: Any) -> bool:
    """Tell whether ``spinn-edge bench`` wrote it, in whatever version."""
    keys = {"schema_version", "environment", "bundles", "rows"}
    return isinstance(document, dict) and keys <= set(document)


def _may_be_replaced(path: Path) -> bool:
    try:
        return is_result(read_document(path))
    except UsageError:
        return False


def _faults(result: BenchResult) -> Iterator[str]:
    """Yield what is wrong with a result."""
    if not result.rows:
        yield "it holds no row"
    names = [facts.name for facts in result.bundles]
    if len(set(names)) < len(names):
        yield "two of its bundles have one name"
    for facts in result.bundles[1:]:
        if facts.baseline:
            yield f"bundle '{facts.name}' is marked as the baseline, but the first is '{names[0]}'"
    for facts in result.bundles:
        if fault := number_fault(facts):
            yield f"bundle '{facts.name}': {fault}"
    asked = set()
    for row in result.rows:
        if row.bundle not in names:
            yield f"a row is of bundle '{row.bundle}', which it does not describe"
        elif fault := number_fault(row) or _row_fault(row):
            where = f"{row.bundle} on {row.runtime} at batch {row.batch}, {row.boundary}"
            yield f"{where}: {fault}"
        question = (row.bundle, row.question, row.threads)
        if question in asked:
            yield f"two of its rows are of {row_name(row)}"
        asked.add(question)


def _row_fault(row: Row) -> str:
    if row.status not in _STATUSES:
        return f"status '{row.status}', expected one of {', '.join(_STATUSES)}"
    if row.boundary not in BOUNDARIES:
        return f"boundary '{row.boundary}', expected one of {', '.join(BOUNDARIES)}"
    if row.status != "ok":
        return "samples, though it was not timed" if row.samples_s else ""
    if not row.samples_s:
        return "status ok, but no samples"
    counts = row.launch_samples
    if sum(counts) != len(row.samples_s):
        return f"launches of {list(counts)} samples, but {len(row.samples_s)} samples"
    if (paced := row.pacing) is not None:
        found = (len(paced.responses_s), len(paced.lateness_s), len(paced.ticks))
        if found != (len(row.samples_s), len(row.samples_s), len(counts)):
            return "pacing.responses_s, lateness_s or ticks of another number than its samples"
    medians = launch_medians(row.samples_s, counts)
    if not all(SHORTEST_S <= median <= LONGEST_S for median in medians):
        return f"a launch has a median outside {SHORTEST_S:g} to {LONGEST_S:g} s"
    return ""
