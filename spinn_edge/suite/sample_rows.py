"""Golden inputs from the sample that a user has at hand."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from spinn_edge.core.errors import UsageError
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array, TensorSpec
from spinn_edge.export.golden import GoldenInputs, GoldenMaker

SEED = 0
_FORMS = "a tensor, a tuple of tensors, or a dict of tensors by the names that forward gives them"


def read_sample(sample_input: Any, model: Any, *, what: str = "sample_input") -> dict[str, Array]:
    """Return a sample as arrays by input name, in the order in which ``forward`` takes them.

    Args:
        sample_input: a tensor of shape (batch, ...), or a tuple or dict of such tensors.
        model: the module that takes it.
        what: the argument's name, for messages.

    Raises:
        UsageError: it is none of these, is empty, or holds numbers that nothing can be proved with.
    """
    torch = require("torch", extra="export")
    if isinstance(sample_input, Mapping | tuple | list) and not sample_input:
        raise UsageError(f"{what} is empty, expected {_FORMS}")
    if isinstance(sample_input, torch.Tensor):
        named = {"input": sample_input}
    elif isinstance(sample_input, Mapping):
        named = _in_order_of_forward(sample_input, model, what)
    elif isinstance(sample_input, tuple | list):
        named = {f"input_{index}": value for index, value in enumerate(sample_input)}
    else:
        raise UsageError(f"{what} is a {type(sample_input).__name__}, expected {_FORMS}")
    arrays = {name: _to_array(f"{what} '{name}'", value, torch) for name, value in named.items()}
    if len({len(array) for array in arrays.values()}) > 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise UsageError(f"{what}: the first axis is the batch and must be one for all: {sizes}")
    return arrays


def specs_of(sample: Mapping[str, Array]) -> tuple[TensorSpec, ...]:
    """Return the model's inputs: the batch is dynamic, every other axis is the sample's."""
    return tuple(
        TensorSpec(name, (None, *array.shape[1:]), array.dtype) for name, array in sample.items()
    )


def sample_alone(sample: Mapping[str, Array]) -> GoldenMaker:
    """Return a maker of golden inputs that are the sample's rows and nothing else."""

    def make(inputs: tuple[TensorSpec, ...], rows: int) -> GoldenInputs:
        held = {spec.name: sample[spec.name][:rows] for spec in inputs}
        count = len(next(iter(held.values())))
        return GoldenInputs(arrays=held, source=f"{count} rows of sample_input")

    return make


def sample_and_draws(sample: Mapping[str, Array]) -> GoldenMaker:
    """Return a maker of golden inputs: the sample's rows, and more in between its values.

    One row cannot show that each sample is computed on its own, and zeros can be faster than
    data. So rows are added until a batch is full: floats uniform between the smallest and the
    largest value (of each feature where the sample has several rows), whole numbers and booleans
    drawn from the sample. Floats that are all equal are replaced by normal noise around them.
    """

    def make(inputs: tuple[TensorSpec, ...], rows: int) -> GoldenInputs:
        generator = np.random.default_rng(SEED)
        held = len(next(iter(sample.values())))
        arrays, notes = {}, []
        for spec in inputs:
            given = sample[spec.name]
            if given.dtype.kind == "f" and given.min() == given.max():
                noise = generator.standard_normal((rows, *given.shape[1:]))
                arrays[spec.name] = (given.flat[0] + noise).astype(given.dtype)
                notes.append(f"'{spec.name}' is {given.flat[0]:g} everywhere: noise around it")
                continue
            drawn = _draw(given, max(0, rows - held), generator)
            arrays[spec.name] = np.concatenate([given[:rows], drawn])
        more = f" and {rows - held} drawn between them, seed {SEED}" if rows > held else ""
        source = "; ".join([f"{min(held, rows)} rows of sample_input{more}", *notes])
        return GoldenInputs(arrays=arrays, source=source)

    return make


def _in_order_of_forward(sample: Mapping[Any, Any], model: Any, what: str) -> dict[str, Any]:
    """Return the entries in the order of ``forward``'s parameters, by which they are passed."""
    parameters = inspect.signature(model.forward).parameters.values()
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        return {str(name): value for name, value in sample.items()}
    names = [p.name for p in parameters]
    needed = [p.name for p in parameters if p.default is p.empty]
    # an argument that is left out must not stand before one that is given
    if (
        set(sample) - set(names)
        or set(needed) - set(sample)
        or set(sample) != set(names[: len(sample)])
    ):
        raise UsageError(
            f"{what} has {sorted(map(str, sample))}, but forward takes {names}; name them "
            "all, as forward does"
        )
    return {name: sample[name] for name in names if name in sample}


def _to_array(where: str, value: Any, torch: Any) -> Array:
    if not isinstance(value, torch.Tensor):
        raise UsageError(f"{where} is a {type(value).__name__}; expected {_FORMS}")
    if value.is_complex() or (value.is_floating_point() and value.dtype != torch.float32):
        kind = str(value.dtype).removeprefix("torch.")
        raise UsageError(f"{where} is {kind}; models are timed in float32: give it as .float()")
    if value.ndim == 0 or value.numel() == 0:
        raise UsageError(
            f"{where} has shape {list(value.shape)}; expected (batch, ...), with at "
            "least one sample"
        )
    array: Array = value.detach().cpu().numpy().copy()
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UsageError(f"{where} holds NaN or Inf; give real inputs")
    return array


def _draw(given: Array, count: int, generator: np.random.Generator) -> Array:
    shape = (count, *given.shape[1:])
    if given.dtype.kind != "f":
        return np.asarray(generator.choice(given.ravel(), size=shape))
    axis = 0 if len(given) > 1 else None
    low, high = given.min(axis=axis), given.max(axis=axis)
    return np.asarray(low + (high - low) * generator.random(shape)).astype(given.dtype)
