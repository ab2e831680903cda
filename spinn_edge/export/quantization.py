"""In which form int8 is written."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_edge.core.errors import UsageError

STATIC, DYNAMIC, WEIGHT_ONLY = "static", "dynamic", "weight-only"
FORMS = (STATIC, DYNAMIC, WEIGHT_ONLY)
"""Scales of activations from calibration data; from each inference's own values; none, since
activations stay float. The first is the default (ADR 0013)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How a float32 graph becomes int8.

    Attributes:
        form: one of ``FORMS``.

    Raises:
        UsageError: an unknown form.
    """

    form: str = STATIC

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise UsageError(f"--int8 {self.form}: expected one of {', '.join(FORMS)}")
