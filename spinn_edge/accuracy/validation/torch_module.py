"""An ``nn.Module`` called on numpy arrays; torch comes in as an argument."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spinn_edge.core.tensors import Array


def call_module(torch: Any, module: Any, arrays: Sequence[Array]) -> Any:
    """Run a module in evaluation mode and without gradients; its mode is restored.

    Args:
        torch: the package.
        module: takes tensors in the order of ``arrays``, on the device of its parameters.
        arrays: host arrays, shape (batch, ...); nothing is converted.

    Returns:
        What the module returned, with numpy arrays in the place of tensors.
    """
    first = _first_tensor(module)
    device = "cpu" if first is None else first.device
    tensors = [torch.from_numpy(array).to(device) for array in arrays]
    # one by one: train(False) is overridden by some modules, and refused by exported programs
    in_training = [part for part in module.modules() if part.training]
    for part in in_training:
        part.training = False
    try:
        with torch.no_grad():
            return as_arrays(module(*tensors))
    finally:
        for part in in_training:
            part.training = True


def as_arrays(result: Any) -> Any:
    """Return tensors, in whatever sequence or mapping, as host arrays."""
    if isinstance(result, Mapping):
        return {key: as_arrays(value) for key, value in result.items()}
    if isinstance(result, tuple | list):
        return [as_arrays(value) for value in result]
    return result.detach().cpu().numpy() if hasattr(result, "detach") else np.asarray(result)


def float_dtype_of(module: Any) -> np.dtype[Any]:
    """Return the dtype of a module's first floating-point parameter; float32 without one."""
    for tensor in itertools.chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point():
            names = {"torch.float64": np.float64, "torch.float16": np.float16}
            return np.dtype(names.get(str(tensor.dtype), np.float32))
    return np.dtype(np.float32)


def _first_tensor(module: Any) -> Any:
    return next(itertools.chain(module.parameters(), module.buffers()), None)
