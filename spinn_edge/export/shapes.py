"""What goes into a model: in its own words where it has some, else from ``--input-shape``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import TensorSpec, describe
from spinn_edge.models.loading import LoadedModel
from spinn_edge.models.onnx_file import load_onnx


def parse_input_shapes(texts: Sequence[str]) -> tuple[TensorSpec, ...]:
    """Read ``18``, ``3,32,32`` or, one for each input, ``name=18``.

    Returns:
        float32 specs with a dynamic batch axis in front; a shape without a name is ``input``.

    Raises:
        UsageError: a size is no positive integer, or one of several shapes has no name of its own.
    """
    specs: list[TensorSpec] = []
    for text in texts:
        name, _, sizes = text.rpartition("=")
        try:
            shape = tuple(int(size) for size in sizes.split(","))
        except ValueError:
            shape = ()
        named_twice = any(spec.name == name for spec in specs)
        if not shape or min(shape) < 1 or (not name and len(texts) > 1) or named_twice:
            raise UsageError(
                f"--input-shape {text}: expected sizes without the batch, such as 18 or 3,32,32, "
                "and for a model with several inputs name=18 for each, every name once"
            )
        specs.append(TensorSpec(name or "input", (None, *shape), np.dtype(np.float32)))
    return tuple(specs)


def input_specs(loaded: LoadedModel, given: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """Return the model's inputs.

    Raises:
        UsageError: the model does not say and nothing was given, or the two contradict each other.
    """
    known = _known_inputs(loaded)
    if not known and not given:
        raise UsageError(
            f"'{loaded.origin}' does not say what goes in; name one sample's sizes with "
            "--input-shape, such as --input-shape 18"
        )
    if known and given and [spec.shape for spec in known] != [spec.shape for spec in given]:
        raise UsageError(
            f"--input-shape gives {', '.join(map(describe, given))}, but '{loaded.origin}' takes "
            f"{', '.join(map(describe, known))}"
        )
    return known or tuple(given)


def onnx_outputs(loaded: LoadedModel) -> tuple[str, ...]:
    """Return the output names of an ONNX model, in graph order."""
    assert loaded.file is not None
    return tuple(value.name for value in load_onnx(loaded.file).graph.output)


def _known_inputs(loaded: LoadedModel) -> tuple[TensorSpec, ...]:
    if loaded.bundle is not None:
        return loaded.bundle.manifest.inputs
    if loaded.architecture.kind == "mlp":
        shape = (None, loaded.architecture.widths[0])
        return (TensorSpec("input", shape, np.dtype(np.float32)),)
    if loaded.format == "onnx":
        assert loaded.file is not None
        graph = load_onnx(loaded.file).graph
        weights = {tensor.name for tensor in graph.initializer}
        return tuple(_onnx_spec(value) for value in graph.input if value.name not in weights)
    return loaded.inputs


def _onnx_spec(value: Any) -> TensorSpec:
    from onnx import helper

    kind = value.type.tensor_type
    shape = tuple(size.dim_value if size.HasField("dim_value") else None for size in kind.shape.dim)
    return TensorSpec(value.name, shape, np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type)))
