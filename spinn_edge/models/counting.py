"""How large a model is and how much it computes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array
from spinn_edge.models.loading import LoadedModel

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.utils.flop_counter import FlopCounterMode


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
    sample = [torch.from_numpy(np.ascontiguousarray(array[:1])) for array in inputs.values()]
    return flops_of(module, sample)


def flops_of(module: nn.Module, sample: Sequence[Tensor]) -> int:
    """Count the matrix products and convolutions of one call, two for each multiply-add.

    Args:
        module: in evaluation mode; not changed.
        sample: arguments of ``forward``.
    """
    torch = require("torch", extra="export")
    with flop_counter() as counter, torch.no_grad():
        module(*sample)
    return int(counter.get_total_flops())


@contextmanager
def flop_counter() -> Iterator[FlopCounterMode]:
    """Count what runs inside, attention of the CPU included, which PyTorch's counter leaves out.

    Source: torch.utils.flop_counter, which knows neither the fused kernel of
    ``nn.MultiheadAttention`` in evaluation mode nor the CPU's kernel of
    ``scaled_dot_product_attention``: both count 0 there.
    """
    torch = require("torch", extra="export")
    flop_counter_module = require("torch.utils.flop_counter", extra="export")
    on_cpu = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    counter = flop_counter_module.FlopCounterMode(
        display=False, custom_mapping={on_cpu: _attention_flops}
    )
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), counter:
            warnings.simplefilter("ignore")  # the counter warns of modules that it cannot name
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _attention_flops(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    """Count q k^T and its product with v, from shapes (batch, heads, length, size)."""
    batch, heads, length, size = query
    return 2 * batch * heads * length * key[-2] * (size + value[-1])
