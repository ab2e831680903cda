"""What tables mean, in words."""

from __future__ import annotations

from spinn_edge.bench.measurement import BenchResult
from spinn_edge.core.manifest import Scores
from spinn_edge.report import formatting as f


def score_remarks(scores: Scores, name: str) -> list[str]:
    """Return a sentence for each target that a network predicts badly, and none for a good one.

    Args:
        scores: of the network, with the linear regression's beside them.
        name: of the network.
    """
    remarks = []
    for target, score in scores.r2.items():
        linear = scores.linear_r2.get(target)
        if score is None:
            remarks.append(f"{name}, {target}: constant over the scored rows, so it has no R²")
        elif score < 0:
            remarks.append(
                f"{name}, {target}: R² is below 0: the mean of the scored rows predicts it better"
            )
        elif linear is not None and linear > score:
            remarks.append(
                f"{name}, {target}: a linear regression scores higher "
                f"({f.score(linear)} against {f.score(score)})"
            )
    return remarks


def row_remarks(result: BenchResult) -> list[str]:
    """Return a sentence for each row that was not timed, batches of one runtime together."""
    batches: dict[tuple[str, str, str, str], list[int]] = {}
    for row in result.rows:
        if row.reason is not None:
            key = (row.bundle, row.runtime, row.status, row.reason)
            batches.setdefault(key, []).append(row.batch)
    return [
        f"{bundle}, {runtime}, batch {', '.join(map(str, sizes))}: {status}: "
        + " ".join(reason.split())
        for (bundle, runtime, status, reason), sizes in batches.items()
    ]
