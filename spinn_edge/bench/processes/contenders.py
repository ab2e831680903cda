"""What is compared, launched in turn: A B C, A B C, and so on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from spinn_edge.bench.boundaries import BOUNDARIES
from spinn_edge.bench.loops.sweep import SWEEP, sizes_to_add, swept_sizes
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.launch import run_in_process, run_started_together
from spinn_edge.bench.processes.pairs import may_start_together
from spinn_edge.bench.processes.pooling import pool
from spinn_edge.bench.processes.worker import Job
from spinn_edge.core.bundle import Bundle
from spinn_edge.runtimes.base import OpenOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One thing that is compared with others.

    Attributes:
        label: the name that its rows carry as ``bundle``.
        bundle: what is timed.
        runtime: name from the registry.
        options: how the bundle is opened: threads, precision and the rest.
    """

    label: str
    bundle: Bundle
    runtime: str
    options: OpenOptions = field(default_factory=OpenOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How contenders are timed.

    Attributes:
        batches: samples in one inference; ``SWEEP`` for powers of two until throughput is
            saturated, which the first launch finds and the others repeat.
        boundaries: see :attr:`spinn_edge.bench.processes.worker.Job.boundaries`.
        launches: fresh processes for each contender. A process can sit in a fast or a slow
            placement of memory and stay there, so one launch is one sample of that.
        timeout_s: time for one launch, start and compilation included.
        rule: when to stop.
        rates_per_s: fixed rates to time as well, inferences a second.
        energy: measure it too, host to host, where a counter can be read: a second for each row.
    """

    batches: tuple[int, ...]
    boundaries: tuple[str, ...] = ()
    launches: int = 5
    timeout_s: float = 300.0
    rule: TimingRule = field(default_factory=TimingRule)
    rates_per_s: tuple[float, ...] = ()
    energy: bool = False


def time_contenders(
    contenders: Sequence[Contender],
    schedule: Schedule,
    *,
    on_launch: Callable[[Contender, int], None] = lambda contender, launch: None,
) -> list[list[Row]]:
    """Time contenders, launches alternating over all of them.

    So a drift of the machine's speed hits them alike, and the first launch of one ran beside the
    first of every other: their medians may be paired (``intervals.speedup_of``). A batch size of
    which anything failed in one launch is not tried again.

    One worker takes time while all others sleep. Behind the first launch, two that follow each
    other start together where there is a core for each; see :mod:`.pairs`.

    Args:
        contenders: in the order in which they are launched.
        schedule: batch sizes, launches, rules.
        on_launch: called with the contender and the number of its launch, from 1, before each
            process starts.

    Returns:
        For each contender its rows, batch by batch and boundary by boundary, launches joined.
    """
    launched: list[list[Row]] = [[] for _ in contenders]
    sweep = schedule.batches == SWEEP

    def job_of(place: int, batches: tuple[int, ...]) -> Job:
        contender, rows = contenders[place], launched[place]
        return Job(
            folder=str(contender.bundle.root),
            label=contender.label,
            runtime=contender.runtime,
            batches=batches,
            # what the first launch could time, so that a later one that dies fails them all
            boundaries=_boundaries_in(rows) or schedule.boundaries,
            options=contender.options,
            rule=schedule.rule,
            rates_per_s=schedule.rates_per_s,
            energy=schedule.energy,
            sweep=sweep,
        )

    def run(places: Sequence[int], jobs: Sequence[Job], launch: int) -> None:
        for place in places:
            on_launch(contenders[place], launch)
        if len(jobs) == 1:
            found = [run_in_process(jobs[0], timeout_s=schedule.timeout_s)]
        else:
            found = run_started_together(jobs, timeout_s=schedule.timeout_s)
        for place, rows in zip(places, found, strict=True):
            launched[place] += rows

    for launch in range(1, schedule.launches + 1):
        due: list[tuple[int, Job]] = []
        for place, rows in enumerate(launched):
            asked = swept_sizes(rows) if sweep else schedule.batches
            batches = tuple(batch for batch in asked if _worth_a_launch(rows, batch))
            if batches or not rows:
                due.append((place, job_of(place, batches)))
        while due:
            paired = len(due) > 1 and may_start_together(*(launched[p] for p, _ in due[:2]))
            now, due = (due[:2], due[2:]) if paired else (due[:1], due[1:])
            run([place for place, _ in now], [job for _, job in now], launch)
        if launch == 1 and sweep:
            for place in range(len(contenders)):
                if batches := sizes_to_add(launched[place], _beside(place, contenders, launched)):
                    run([place], [job_of(place, batches)], launch)
    return [_pooled(rows, () if sweep else schedule.batches) for rows in launched]


def _beside(
    place: int, contenders: Sequence[Contender], launched: Sequence[Sequence[Row]]
) -> list[Row]:
    """Return the rows of those that differ from one contender in their bundle alone."""
    own = contenders[place]
    return [
        row
        for other, rows in zip(contenders, launched, strict=True)
        if (other.runtime, other.options) == (own.runtime, own.options)
        for row in rows
    ]


def _worth_a_launch(rows: Sequence[Row], batch: int) -> bool:
    """Tell whether a batch size is new, or was timed before with nothing that failed."""
    before = [row for row in rows if row.batch == batch]
    statuses = {row.status for row in before}
    ended = any(row.ends_sweep for row in before)
    return not statuses or ("ok" in statuses and "failed" not in statuses and not ended)


def _boundaries_in(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(name for name in BOUNDARIES if any(row.boundary == name for row in rows))


def _pooled(rows: Sequence[Row], batches: Sequence[int]) -> list[Row]:
    """Join the launches, in the order of batches, boundaries and rates."""
    rates = sorted({row.rate_per_s or 0.0 for row in rows})  # 0: inferences follow each other
    groups = [
        [
            row
            for row in rows
            if (row.batch, row.boundary, row.rate_per_s or 0.0) == (batch, boundary, rate)
        ]
        for batch in batches or sorted({row.batch for row in rows})
        for boundary in BOUNDARIES
        for rate in rates
    ]
    return [pool(group) for group in groups if group]
