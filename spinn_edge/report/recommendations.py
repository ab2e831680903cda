"""What follows from a measurement, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spinn_edge.accuracy.parity import LIMITS
from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.evidence.intervals import FASTER, FEWEST_LAUNCHES, NO_DIFFERENCE, SLOWER
from spinn_edge.bench.evidence.output_difference import OutputDifference
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.regression.comparison import Limits
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.core.decode import decode
from spinn_edge.report import formatting as f
from spinn_edge.report.fastest import fastest_remarks

KEPT, LOST, UNKNOWN = "kept", "lost", "unknown"
"""What became of the accuracy."""

LOSS_ALLOWED = Limits().fail_score
"""Fall of R² that still counts as kept: that of ``spinn-edge compare``."""


_FEW = 4
"""Timings of one verdict that are named one by one."""

TELLER = "spinn-edge validate"
"""What tells whether outputs are good enough, for bundles."""


def recommendations(
    result: BenchResult,
    differences: Mapping[str, OutputDifference],
    *,
    teller: str = TELLER,
) -> list[str]:
    """Return a sentence or two for each model beside the baseline; for one model, its runtimes.

    Nothing is recommended for a speed in which no difference was seen, or without an interval.

    Args:
        result: the baseline's facts come first.
        differences: outputs of each model against the baseline's, by model; one that is missing
            was not compared.
        teller: what tells whether outputs are good enough.
    """
    if len(result.bundles) < 2:
        return fastest_remarks(result)
    before, *others = result.bundles
    compared: dict[str, list[Row]] = {}
    for row in result.rows:
        if _is_compared(row):
            compared.setdefault(row.bundle, []).append(row)
    return [
        _model_words(
            before,
            after,
            differences.get(after.name),
            compared.get(after.name, []),
            teller,
        )
        for after in others
    ]


def recorded_differences(document: Mapping[str, Any]) -> dict[str, OutputDifference]:
    """Return the differences of outputs that a document of results holds; bench writes none.

    Raises:
        BundleError: a key has another type.
    """
    found = document.get("output_differences", {})
    return {
        name: decode(OutputDifference, item, where=f"output_differences.{name}")
        for name, item in (found if isinstance(found, dict) else {}).items()
    }


def _is_compared(row: Row) -> bool:
    main = row.boundary == HOST_TO_HOST and row.rate_per_s is None
    return main and row.speedup is not None


def _model_words(
    before: BundleFacts,
    after: BundleFacts,
    difference: OutputDifference | None,
    rows: Sequence[Row],
    teller: str,
) -> str:
    fate, accuracy = accuracy_words(before, after, difference)
    parts = [*_speeds(rows), size_words(before, after), accuracy]
    return f"{after.name} beside {before.name}: {'; '.join(parts)}. {_advice(rows, fate, teller)}"


def _speeds(rows: Sequence[Row]) -> list[str]:
    """Return a part for each row, or for many of one verdict their slowest and fastest."""
    parts: list[str] = []
    for verdict in dict.fromkeys(row.verdict for row in rows):
        same = [row for row in rows if row.verdict == verdict]
        if len(same) <= _FEW or verdict not in (FASTER, SLOWER):
            parts += map(speed_words, same)
            continue
        ends = sorted(same, key=lambda row: row.speedup or 0.0)
        low, high = map(speed_words, (ends[0], ends[-1]))
        parts.append(f"{verdict} in {len(same)} of {len(rows)} timings, from {low} to {high}")
    return parts


def speed_words(row: Row) -> str:
    """Return ``3.04× faster (2.91 to 3.17) on ort-cpu at batch 1``, or ``1.20× slower ...``.

    Args:
        row: timed in turn with the baseline's.
    """
    ratio, between, verdict = row.speedup, row.speedup_interval, row.verdict
    assert ratio is not None
    if verdict is None or between is None:
        return f"{f.ratio(ratio)} the speed {_where(row)}, without an interval"
    if verdict == NO_DIFFERENCE:
        return f"{NO_DIFFERENCE} {_where(row)}"
    low, high = between.low, between.high
    if verdict == SLOWER:  # how many times the baseline's time, so that a word says which way
        ratio, low, high = 1 / ratio, 1 / high, 1 / low
    return f"{f.ratio(ratio)} {verdict} ({low:.2f} to {high:.2f}) {_where(row)}"


def size_words(before: BundleFacts, after: BundleFacts) -> str:
    """Return ``68.5 % smaller (2.67 MB to 840 kB of parameters)``."""
    old, new = before.parameter_bytes, after.parameter_bytes
    if old is None or new is None:
        return "size unknown"
    if old == new:
        return f"of the same size ({f.size(new)} of parameters)"
    kind = "smaller" if new < old else "larger"
    share = f"{abs(new - old) / old:.1%} ".replace("%", " %") if old else ""
    return f"{share}{kind} ({f.size(old)} to {f.size(new)} of parameters)"


def accuracy_words(
    before: BundleFacts, after: BundleFacts, difference: OutputDifference | None
) -> tuple[str, str]:
    """Return ``KEPT``, ``LOST`` or ``UNKNOWN``, and why, in words.

    Args:
        before: the baseline.
        after: the model beside it.
        difference: of their outputs; None where the results do not hold it.
    """
    apart = [] if difference is None else [_difference_words(before.name, difference)]
    old = before.scores.r2_overall if before.scores else None
    new = after.scores.r2_overall if after.scores else None
    if old is not None and new is not None:
        fate = KEPT if new - old >= -LOSS_ALLOWED else LOST
        words = f"accuracy {fate} (R² {f.score(old)} to {f.score(new)}, {f.difference(old, new)})"
        return fate, "; ".join([words, *apart])
    if difference is None:
        return UNKNOWN, f"accuracy and outputs not compared with {before.name}'s"
    if difference.of_scale is not None and difference.of_scale <= LIMITS["fp32"]:
        return KEPT, f"accuracy {KEPT}: {apart[0]}"
    return UNKNOWN, apart[0]


def _difference_words(baseline: str, difference: OutputDifference) -> str:
    if difference.max_abs is None or difference.of_scale is None:
        return f"outputs not compared with {baseline}'s: {difference.reason}"
    share = difference.of_scale
    of_scale = f"{share:.1%}".replace("%", " %") if share >= 1e-3 else f.magnitude(share)
    return (
        f"its outputs differ from {baseline}'s by up to {f.magnitude(difference.max_abs)} "
        f"({of_scale} of their scale)"
    )


def _advice(rows: Sequence[Row], fate: str, teller: str) -> str:
    faster = _wheres([row for row in rows if row.verdict == FASTER], rows)
    slower = _wheres([row for row in rows if row.verdict == SLOWER], rows)
    if not rows:
        return "No recommendation: the two were not timed beside each other."
    if fate == LOST:
        return "Not recommended: accuracy is lost."
    if slower and faster:
        return f"It depends: faster {faster}, slower {slower}."
    if slower:
        return f"Not recommended: it is slower {slower}."
    if faster and fate == UNKNOWN:
        return f"Recommended {faster}, if its outputs are good enough: {teller} tells."
    if faster:
        return f"Recommended {faster}."
    if all(row.verdict == NO_DIFFERENCE for row in rows):
        return "No recommendation: no difference in speed was seen."
    return f"No recommendation: an interval needs {FEWEST_LAUNCHES} launches or more."


def _wheres(chosen: Sequence[Row], rows: Sequence[Row]) -> str:
    if len(chosen) == len(rows) > _FEW:
        return f"in all {len(rows)} timings"
    return ", ".join(map(_where, chosen))


def _where(row: Row) -> str:
    return f"on {f.served(row.runtime, row.served_by)} at batch {row.batch}"
