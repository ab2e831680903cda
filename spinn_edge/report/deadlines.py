"""Deadline mode: what a fixed-rate loop saw, in columns and in words."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from spinn_edge.bench.evidence.intervals import FASTER, NO_DIFFERENCE
from spinn_edge.bench.loops.pacing import Pacing
from spinn_edge.bench.measurement import Row
from spinn_edge.report import formatting as f
from spinn_edge.report.advice import advice_once
from spinn_edge.report.latency_columns import Column


def deadline_title(rate_per_s: float) -> str:
    """Return ``Deadline, 1,000 a second: period 1.00 ms``."""
    return f"Deadline, {f.rate(rate_per_s)}: period {f.seconds(1 / rate_per_s)}"


DEADLINE_SPAN = (
    "one inference at each tick of a schedule fixed in advance; the response counts from its tick "
    "to the end, numpy in, numpy out; the deadline is the next tick; the service is the inference "
    "alone, and the speed-up is that of the service"
)

_RULE_OF_THREE = 3
"""Source: J. Hanley and A. Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA,
1983: none in n trials means fewer than 3 / n with a confidence of 95 %."""


def deadline_columns() -> tuple[Column, ...]:
    """Return what is stated of a row at a fixed rate."""
    return (
        _column("response", lambda pacing: f.seconds(pacing.response_median_s)),
        _column("p99 response", lambda pacing: f.seconds(pacing.response_p99_s)),
        _column("missed", _missed),
        _column("jitter", lambda pacing: f.seconds(pacing.jitter_s), rank=2),
        Column(title="service", text=lambda row: f.seconds(row.median_s), rank=4),
        _column("busy", lambda pacing: _percent(pacing.busy_share), rank=5),
        Column(title="idle-gap penalty", text=_penalty, rank=1),
        Column(title="speed-up", text=f.speedup, rank=3),
    )


def deadline_remarks(rows: Sequence[Row]) -> list[str]:
    """Return how the loops did, and what helps: once for all that it helps."""
    paced = [(row, row.pacing) for row in rows if row.pacing is not None and row.samples_s]
    return [
        *advice_once(
            (f"{_where(row)}: {fact}", advice)
            for row, pacing in paced
            for fact, advice in [_deadline_words(row, pacing)]
        ),
        *advice_once(
            (f"{_where(row)}: {_penalty_words(row, pacing)}", _PENALTY_ADVICE)
            for row, pacing in paced
            if row.idle_gap_verdict == FASTER
        ),
    ]


def _deadline_words(row: Row, pacing: Pacing) -> tuple[str, str]:
    """Return what was missed, and what helps."""
    if not pacing.kept_up:
        most = 1 / (pacing.busy_share * pacing.period_s)
        left = f", {pacing.unserved:,} of them never begun" if pacing.unserved else ""
        return (
            f"does not keep up: an inference takes {f.seconds(row.mean_s)} in the mean, the period "
            f"is {f.seconds(pacing.period_s)}; missed {pacing.missed:,} of {pacing.due:,} "
            f"deadlines{left}, and a launch ended up to {f.seconds(max(pacing.behind_s))} behind; "
            f"at most {most:,.3g} a second would do",
            "what helps: a lower rate, a smaller batch, or a smaller model",
        )
    if not pacing.missed:
        return (
            f"missed none of {pacing.due:,} deadlines, which shows that fewer than "
            f"{_percent(_RULE_OF_THREE / pacing.due)} are missed, not that none is",
            "",
        )
    slow = sum(sample > pacing.period_s for sample in row.samples_s)
    longest = f.seconds(max(pacing.responses_s))
    missed = (
        f"missed {pacing.missed:,} of {pacing.due:,} deadlines ({_percent(pacing.missed_share)}); "
        f"the longest response took {longest}"
    )
    if slow:
        return (
            f"{missed}; inferences longer than the period by themselves: {slow:,}; the others "
            "began too late",
            "what helps: a core without other work (taskset, isolcpus), a real-time priority "
            "(chrt --fifo 50), or a smaller model",
        )
    return (
        f"{missed}, no inference alone more than {f.seconds(max(row.samples_s))}: they began too "
        "late",
        "what helps: a real-time priority (chrt --fifo 50), or less other work on the machine",
    )


_PENALTY_ADVICE = (
    "meanwhile the core sleeps or slows down and its caches fill with other things; what helps: "
    "the performance governor, no deep idle states (cpupower idle-set --disable-by-latency 0), or "
    "waiting busily for the tick"
)


def _penalty_words(row: Row, pacing: Pacing) -> str:
    back_to_back = f.seconds(statistics.median(pacing.back_to_back_medians_s))
    return (
        f"the pause between inferences costs {_penalty(row)}: {f.seconds(row.median_s)} after a "
        f"pause, {back_to_back} back to back"
    )


def _penalty(row: Row) -> str:
    """Return ``1.41× (1.35 to 1.47)``, or that no difference was seen; a dash for None."""
    if row.idle_gap_verdict == NO_DIFFERENCE:
        return NO_DIFFERENCE
    between = row.idle_gap_interval
    if between is None:
        return f.ratio(row.idle_gap_penalty)
    return f"{f.ratio(row.idle_gap_penalty)} ({between.low:.2f} to {between.high:.2f})"


def _column(title: str, text: Callable[[Pacing], str], rank: int = 0) -> Column:
    def of_row(row: Row) -> str:
        return "–" if row.pacing is None else text(row.pacing)

    return Column(title=title, text=of_row, rank=rank)


def _missed(pacing: Pacing) -> str:
    """Return ``12 of 5,000 (0.24 %)``."""
    share = f" ({_percent(pacing.missed_share)})" if pacing.missed else ""
    return f"{pacing.missed:,} of {pacing.due:,}{share}"


def _percent(share: float) -> str:
    """Return ``0.24 %``."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:,.0f} %"


def _where(row: Row) -> str:
    name = f.served(row.runtime, row.served_by)
    return f"{row.bundle}, {name} {row.precision}, batch {row.batch}, {f.rate(row.rate_per_s or 0)}"
