"""What makes two outputs incomparable: NaN, Inf, another shape, another dtype."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_edge.core.errors import ParityError
from spinn_edge.core.tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why no number can be given for a pair of outputs.

    Attributes:
        reason: in words, the sample included.
        sample: the first one that shows it, counted from 0.
    """

    reason: str
    sample: int


def find_fault(
    expected: Array, got: Array, *, same_dtype: bool = True, names: tuple[str, str] = ("", "")
) -> Fault | None:
    """Look for what no metric may turn into a number.

    Args:
        expected: the reference, shape (batch, ...).
        got: what is held against it.
        same_dtype: another dtype is a fault. Not so where targets are compared with predictions.
        names: what the two are called in the reason.

    Returns:
        The first fault found; None for two arrays of real, finite numbers of one shape.
    """
    reference, other = (name or default for name, default in zip(names, _NAMES, strict=True))
    for name, array in ((reference, expected), (other, got)):
        if array.dtype.kind not in "biuf":
            return Fault(reason=f"{name} is {array.dtype}, expected real numbers", sample=0)
        if array.ndim == 0 or array.size == 0:
            return Fault(reason=f"{name} has shape {list(array.shape)}, no samples", sample=0)
    if got.shape != expected.shape:
        same = got.shape[1:] == expected.shape[1:]
        sample = min(len(got), len(expected)) if same else 0
        shapes = f"{list(got.shape)}, {reference} {list(expected.shape)}"
        return Fault(reason=f"{other} has shape {shapes}, from sample {sample} on", sample=sample)
    if same_dtype and got.dtype != expected.dtype:
        types = f"{got.dtype}, {reference} {expected.dtype}"
        return Fault(reason=f"{other} has dtype {types}, from sample 0 on", sample=0)
    for name, array in ((other, got), (reference, expected)):
        bad = bad_samples(array)
        if bad.any():
            sample = int(np.argmax(bad))
            count = f"{int(bad.sum())} of {len(bad)}"
            return Fault(
                reason=f"{name} holds NaN or Inf, first in sample {sample} ({count} samples)",
                sample=sample,
            )
    return None


def refuse_faults(expected: Array, got: Array) -> None:
    """Raise what :func:`find_fault` finds, dtypes aside.

    Raises:
        ParityError: the two cannot be compared; names the first sample.
    """
    fault = find_fault(expected, got, same_dtype=False)
    if fault is not None:
        raise ParityError(f"no metric can be given: {fault.reason}")


def bad_samples(values: Array) -> Array:
    """Return which samples hold NaN or Inf; bool, shape (batch,)."""
    return np.asarray(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))


_NAMES = ("the reference", "the output")
