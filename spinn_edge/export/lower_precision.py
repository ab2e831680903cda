"""What files of lower precision are made from and judged by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spinn_edge.core.golden import Golden
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export.golden import (
    MOST_ROWS,
    GoldenInputs,
    References,
    golden_rows,
    make_references,
)
from spinn_edge.export.reference import Reference
from spinn_edge.export.task_loss import ScoredRows, TaskScore, make_task_score


@dataclass(frozen=True, slots=True, kw_only=True)
class LowerPrecision:
    """See the module.

    Attributes:
        calibration: inputs with float64 outputs that int8 is calibrated and measured on.
        source: where those inputs came from, in words.
        score: what the task is scored by; None without rows whose targets were measured.
    """

    calibration: Golden
    source: str
    score: TaskScore | None


def prepare_lower_precision(
    precisions: Sequence[str],
    draw: Callable[[int], GoldenInputs],
    made: References,
    inputs: tuple[TensorSpec, ...],
    reference: Reference,
    scored: ScoredRows | None,
) -> LowerPrecision:
    """Collect it; what is not asked for is not computed.

    Golden inputs are no more than the largest batch. The ranges of activations need more, however
    small the batches that the model will see: so calibration draws as many rows as there may be.

    Args:
        precisions: what was asked for.
        draw: makes golden inputs of a largest number of rows.
        made: the bundle's golden vectors.
        inputs: of the model.
        reference: the model's evaluators.
        scored: rows whose targets were measured.

    Raises:
        UsageError: the scored rows do not fit the model.
        ExportError: the model fails on the drawn rows.
    """
    score = make_task_score(scored, inputs, reference.eager)
    most = golden_rows(inputs, MOST_ROWS)
    if "int8" in precisions and inputs[0].shape[0] is None and most > made.golden.rows:
        made = make_references(draw(most), reference)
    return LowerPrecision(calibration=made.golden, source=made.source, score=score)
