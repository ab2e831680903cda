"""How sure the figures of a result are, in words."""

from __future__ import annotations

from spinn_edge.bench.evidence.intervals import FEWEST_LAUNCHES
from spinn_edge.bench.loops.timing import BUDGET
from spinn_edge.bench.machine.noise_advice import noise_advice
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f


def certainty_remarks(result: BenchResult) -> list[str]:
    """Return what a reader must know before believing a difference, a sentence each.

    In this order: why there are no intervals, how large the noise is, which timings ended before
    their median was known well, which runtimes were not steady when timing began, and what of the
    machine disturbs, with what to change.
    """
    timed = [row for row in result.rows if row.samples_s]
    if not timed:
        return []
    remarks = []
    fewest = min(len(row.launch_samples) for row in timed)
    if fewest < FEWEST_LAUNCHES:
        launches = "1 launch" if fewest == 1 else f"{fewest} launches"
        remarks.append(
            f"no intervals from {launches}: take {FEWEST_LAUNCHES} or more with --launches"
        )
    floors = [row.noise_floor for row in timed if row.noise_floor is not None]
    if floors:
        remarks.append(
            f"noise floor, each row's launches against themselves: {min(floors):.1%} to "
            f"{max(floors):.1%}; a difference that does not clear it is called none"
        )
    cut = [row for row in timed if BUDGET in row.stopped_by]
    if cut:
        remarks.append(
            f"{len(cut)} of {len(timed)} timings ended with their time, before the median of every "
            "launch was known to half a per cent; give them more with --seconds"
        )
    unsteady = [row for row in timed if not all(row.steady)]
    for name in dict.fromkeys(f.served(row.runtime, row.served_by) for row in unsteady):
        remarks.append(f"{name}: not steady when its warm-up ended; its first samples may be slow")
    remarks += noise_advice(result.environment, result.load, result.rows)
    return remarks
