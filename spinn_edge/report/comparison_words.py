"""What a comparison found, in words and cells."""

from __future__ import annotations

from spinn_edge.bench.evidence.intervals import FEWEST_LAUNCHES, SLOWER
from spinn_edge.bench.regression.comparison import (
    FILE_BYTES,
    PARAMETER_BYTES,
    PARITY,
    R2,
    Change,
    Comparison,
    FactChange,
)
from spinn_edge.bench.regression.latency_change import LatencyChange
from spinn_edge.report import formatting as f

NOT_JUDGED = "not judged"


def outcome(change: Change) -> str:
    """Return ``ok``, ``FAILED`` or ``not judged``."""
    if change.failed:
        return "FAILED"
    return "ok" if change.judged else NOT_JUDGED


def change_words(change: Change, comparison: Comparison) -> str:
    """Return one sentence: what changed, how sure that is, and what is allowed."""
    if isinstance(change, LatencyChange):
        return _latency_words(change, comparison.limits.fail_over)
    return _fact_words(change, comparison)


def comparison_remarks(comparison: Comparison) -> list[str]:
    """Return what the tables do not say by themselves, a sentence each."""
    return [
        *comparison.warnings,
        *_blind_spots(comparison),
        *(
            f"not judged: {change_words(change, comparison)}"
            for change in comparison.facts
            if not change.judged
        ),
    ]


def rule_words(comparison: Comparison) -> str:
    """Say what fails."""
    limits = comparison.limits
    over = percent(limits.fail_over)
    return (
        "A latency fails when it is slower beyond the noise floor and even the near end of the "
        f"95 % interval of new over old is above +{over}. A size fails when it is more than {over} "
        f"larger, an R² when it is more than {limits.fail_score:g} lower, parity when it passed "
        "before and failed now, a row when it was timed before and is not now"
        f"{' (allowed here by --allow-missing)' if limits.allow_missing else ''}."
    )


def summary(comparison: Comparison) -> str:
    """Return one line: how much was compared and how much of it failed."""
    judged = sum(change.judged for change in comparison.changes)
    return f"{len(comparison.failures)} of {judged} comparisons failed"


def interval_cell(change: LatencyChange) -> str:
    """Return ``+13.0 % to +17.0 %``; a dash with too few launches."""
    if change.interval is None:
        return "–"
    return f"{relative(change.interval.low)} to {relative(change.interval.high)}"


def floor_cell(change: LatencyChange) -> str:
    """Return ``3.0 %``; a dash with too few launches."""
    return "–" if change.floor is None else percent(change.floor)


def fact_cells(change: FactChange) -> tuple[str, str, str]:
    """Return the old value, the new one and the change."""
    if change.kind in (FILE_BYTES, PARAMETER_BYTES):
        assert change.new is not None
        cells = f.size(round(change.old)), f.size(round(change.new))
        return *cells, f.change(change.old, change.new)
    if change.kind == R2:
        return f.score(change.old), f.score(change.new), f.difference(change.old, change.new)
    return "yes", "yes" if change.new else "no", ""


def relative(ratio: float) -> str:
    """Return ``+15.0 %`` for 1.15."""
    return f"{ratio - 1:+z.1%}".replace("%", " %")


def percent(share: float) -> str:
    """Return ``10 %`` or ``2.5 %``."""
    return f"{round(100 * share, 1):g} %"


def _latency_words(change: LatencyChange, fail_over: float) -> str:
    figures = f"{change.name}: {f.seconds(change.old_s)} → {f.seconds(change.new_s)}, "
    if not change.judged:
        return (
            f"{figures}{relative(change.ratio)} over {change.old_launches} and "
            f"{change.new_launches} launches: too few to call it anything ({FEWEST_LAUNCHES} or "
            "more are needed on both sides), so it cannot fail"
        )
    words = (
        f"{figures}{relative(change.ratio)} (95 % interval {interval_cell(change)}, noise floor "
        f"{floor_cell(change)}): {change.verdict}"
    )
    allowed = f"the {percent(fail_over)} that are allowed"
    if change.failed:
        assert change.interval is not None
        near = relative(change.interval.low)
        return (
            f"{words} beyond the noise floor, and the interval's near end {near} is above {allowed}"
        )
    if change.verdict == SLOWER:
        return f"{words} beyond the noise floor, but the interval's near end is not above {allowed}"
    return words


def _fact_words(change: FactChange, comparison: Comparison) -> str:
    reason = " ".join(change.reason.split())
    if change.kind in (FILE_BYTES, PARAMETER_BYTES, R2):
        old, new, difference = fact_cells(change)
        words = f"{change.name}: {change.kind} {old} → {new} ({difference})"
        if change.failed and change.kind == R2:
            words += f": lower by more than the {comparison.limits.fail_score:g} that are allowed"
        elif change.failed:
            allowed = percent(comparison.limits.fail_over)
            words += f": larger by more than the {allowed} that are allowed"
    elif change.kind == PARITY:
        words = f"{change.name}: parity passed before, {'passes' if change.new else 'failed'} now"
    else:
        words = f"{change.name}: timed before, not now"
    return f"{words}: {reason}" if reason else words


def _blind_spots(comparison: Comparison) -> list[str]:
    """Say where a regression could pass unseen."""
    lines = []
    few = [change for change in comparison.latencies if not change.judged]
    if few:
        lines.append(
            f"{len(few)} of {len(comparison.latencies)} latencies had too few launches and cannot "
            f"fail; measure both sides with --launches 5 (at least {FEWEST_LAUNCHES})"
        )
    limit = comparison.limits.fail_over
    lines += [
        f"{change.name}: its noise floor of {floor_cell(change)} is above the limit of "
        f"{percent(limit)}, so a slow-down up to the floor is not seen; quieten the machine, or "
        "measure with more --launches"
        for change in comparison.latencies
        if change.floor is not None and change.floor > limit
    ]
    return lines
