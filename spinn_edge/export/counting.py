"""How large a model is and how much it computes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array
from spinn_edge.models.loading import LoadedModel

if TYPE_CHECKING:
    from torch import nn


def count_parameters(loaded: LoadedModel) -> tuple[int | None, int | None]:
    """Return the parameters of a model, and how many of them are not exactly 0."""
    if loaded.module is not None:
        tensors: Sequence[Array] = [p.detach().cpu().numpy() for p in loaded.module.parameters()]
    else:
        from onnx import numpy_helper

        from spinn_edge.models.onnx_file import load_onnx

        assert loaded.file is not None
        weights = load_onnx(loaded.file).graph.initializer
        tensors = [a for a in map(numpy_helper.to_array, weights) if a.dtype.kind == "f"]
    return (sum(int(a.size) for a in tensors), sum(int(np.count_nonzero(a)) for a in tensors))


def count_flops(module: nn.Module | None, inputs: Any) -> int | None:
    """Count the matrix products and convolutions of one sample; None for ONNX."""
    if module is None:
        return None
    torch = require("torch", extra="export")
    counter = require("torch.utils.flop_counter", extra="export").FlopCounterMode(display=False)
    sample = [torch.from_numpy(np.ascontiguousarray(array[:1])) for array in inputs.values()]
    with warnings.catch_warnings(), torch.no_grad(), counter:
        warnings.simplefilter("ignore")  # the counter warns of modules that it cannot name
        module(*sample)
    return int(counter.get_total_flops())
