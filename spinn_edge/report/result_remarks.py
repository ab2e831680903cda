"""All that is said in words about a benchmark, in the order in which a reader wants it."""

from __future__ import annotations

from spinn_edge.bench.result import BenchResult
from spinn_edge.report.certainty import certainty_remarks
from spinn_edge.report.deadlines import deadline_remarks
from spinn_edge.report.energy import energy_remarks
from spinn_edge.report.fastest import fastest_remarks
from spinn_edge.report.modes import mode_remarks
from spinn_edge.report.remarks import row_remarks
from spinn_edge.report.sweeps import sweep_remarks


def result_remarks(result: BenchResult) -> list[str]:
    """Return what is fastest, how sure that is, and what the tables do not say by themselves.

    Behind what is fastest stands what a fixed rate and a sweep of batch sizes showed.
    """
    return [
        *fastest_remarks(result),
        *deadline_remarks(result.rows),
        *sweep_remarks(result.rows),
        *energy_remarks(result),
        *certainty_remarks(result),
        *mode_remarks(result),
        *row_remarks(result),
    ]
