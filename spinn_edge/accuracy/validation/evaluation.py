"""A model run over all samples, some at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinn_edge.accuracy.validation.evaluators import Evaluator
from spinn_edge.core.errors import InferenceError, SpinnEdgeError, UsageError, first_line
from spinn_edge.core.tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a model returned.

    Attributes:
        arrays: by name, shape (samples, ...).
        named: the model named them; else they are ``output``, or ``output_0`` and so on.
    """

    arrays: Mapping[str, Array]
    named: bool


def evaluate(
    evaluator: Evaluator, inputs: Mapping[str, Array], *, named: bool = True, cast: bool = False
) -> Outputs:
    """Run all samples, some at a time.

    Args:
        evaluator: the model.
        inputs: by name, shape (samples, ...).
        named: False where the names mean nothing and the order counts.
        cast: floating-point inputs may be converted to what the model takes. Else nothing is.

    Raises:
        UsageError: the inputs are not those of the model.
        InferenceError: it refused, failed, or returned something that is no array for each sample.
    """
    arrays = _arranged(evaluator, inputs, named=named, cast=cast)
    samples = len(arrays[0])
    size = min(evaluator.largest, max(samples, evaluator.smallest))
    parts: list[dict[str, Array]] = []
    outputs_named = True
    for start in range(0, samples, size):
        count = min(size, samples - start)
        short = max(evaluator.smallest - count, 0)
        index = np.append(np.arange(start, start + count), np.full(short, start))
        chunk = [np.ascontiguousarray(array[index]) for array in arrays]
        part, outputs_named = _called(evaluator, chunk, start)
        if parts and list(part) != list(parts[0]):
            raise InferenceError(
                f"the {evaluator.name} model returns outputs {list(part)} from sample {start} on, "
                f"{list(parts[0])} before"
            )
        for name, array in part.items():
            _check_part(evaluator, name, array, len(index), start, parts)
        parts.append({name: array[:count] for name, array in part.items()})
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Outputs(arrays=joined, named=outputs_named)


def _arranged(
    evaluator: Evaluator, inputs: Mapping[str, Array], *, named: bool, cast: bool
) -> list[Array]:
    """Return the arrays in the order of the model's inputs."""
    specs = evaluator.inputs
    if not specs:
        kind = evaluator.float_dtype
        return [_cast(array, kind) if cast else array for array in inputs.values()]
    wanted = [spec.name for spec in specs]
    by_name = named and sorted(inputs) == sorted(wanted)
    # one input is one input, whatever it is called
    if not by_name and (len(inputs) != len(wanted) or (named and len(wanted) > 1)):
        raise UsageError(
            f"the data has inputs {list(inputs)}, the {evaluator.name} model takes {wanted}"
        )
    arrays = [inputs[name] for name in wanted] if by_name else list(inputs.values())
    if not cast:
        return arrays
    for spec, array in zip(specs, arrays, strict=True):
        sizes = spec.shape[1:]
        if len(sizes) != array.ndim - 1 or sizes[-1] not in (None, array.shape[-1]):
            raise UsageError(
                f"{array.shape[-1]} feature columns were given, but input '{spec.name}' of the "
                f"{evaluator.name} model takes {list(sizes)} a sample; name others as features"
            )
    return [_cast(array, spec.dtype) for spec, array in zip(specs, arrays, strict=True)]


def _called(
    evaluator: Evaluator, chunk: Sequence[Array], start: int
) -> tuple[dict[str, Array], bool]:
    end = start + len(chunk[0]) - 1
    try:
        result = evaluator.call(chunk)
    except SpinnEdgeError:
        raise
    except Exception as exc:  # the user's own function may raise anything
        shapes = ", ".join(f"{array.dtype} {list(array.shape)}" for array in chunk)
        raise InferenceError(
            f"the {evaluator.name} model fails on samples {start} to {end} ({shapes}): "
            f"{type(exc).__name__}: {first_line(exc)}"
        ) from exc
    if isinstance(result, Mapping):
        named = {str(name): np.asarray(value) for name, value in result.items()}
        return _some(evaluator, named), True
    if isinstance(result, tuple | list):
        several = {f"output_{i}": np.asarray(value) for i, value in enumerate(result)}
        return _some(evaluator, several), False
    return {"output": np.asarray(result)}, False


def _some(evaluator: Evaluator, outputs: dict[str, Array]) -> dict[str, Array]:
    if not outputs:
        raise InferenceError(f"the {evaluator.name} model returns no outputs")
    return outputs


def _check_part(
    evaluator: Evaluator,
    name: str,
    array: Array,
    rows: int,
    start: int,
    parts: Sequence[Mapping[str, Array]],
) -> None:
    """Refuse outputs without one entry a sample, and outputs that change from call to call."""
    what = f"output '{name}' of the {evaluator.name} model"
    if array.ndim == 0 or len(array) != rows:
        raise InferenceError(
            f"{what} has shape {list(array.shape)} for {rows} samples (from sample {start} on), "
            "expected one entry a sample on axis 0"
        )
    if parts and (
        parts[0][name].shape[1:] != array.shape[1:] or parts[0][name].dtype != array.dtype
    ):
        raise InferenceError(
            f"{what} changes from sample {start} on: {array.dtype} {list(array.shape)}"
        )


def _cast(array: Array, dtype: np.dtype[Any]) -> Array:
    """Return numbers of a table in the dtype that a model takes.

    Raises:
        UsageError: a number does not fit: too large for it, or a fraction for an integer.
    """
    if array.dtype.kind != "f" or array.dtype == dtype:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(dtype)
        fits = np.isfinite(cast) if dtype.kind == "f" else cast == array
    if not fits.all():
        sample = int(np.argmin(fits.reshape(len(fits), -1).all(axis=1)))
        value = array[sample][~fits[sample]][0]
        raise UsageError(f"sample {sample} holds {value}, which the model's {dtype} cannot hold")
    return cast
