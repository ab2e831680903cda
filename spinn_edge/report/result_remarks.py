"""All that is said in words about a benchmark, in the order in which a reader wants it."""

from __future__ import annotations

from collections.abc import Mapping

from spinn_edge.bench.evidence.output_difference import OutputDifference
from spinn_edge.bench.result import BenchResult
from spinn_edge.report.certainty import certainty_remarks
from spinn_edge.report.deadlines import deadline_remarks
from spinn_edge.report.energy import energy_remarks
from spinn_edge.report.fastest import fastest_remarks
from spinn_edge.report.modes import mode_remarks
from spinn_edge.report.recommendations import recommendations
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


def screen_remarks(
    result: BenchResult, differences: Mapping[str, OutputDifference] | None = None
) -> list[str]:
    """Return all that, and behind it what is recommended where models stand beside a baseline.

    For one model that would be once more what is fastest.

    Args:
        result: what was measured.
        differences: outputs of each model against the baseline's, by model, where they are known.
    """
    beside = recommendations(result, differences or {}) if len(result.bundles) > 1 else []
    return [*result_remarks(result), *(f"recommendation: {words}" for words in beside)]
