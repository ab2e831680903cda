"""A module that computes in float16 and takes and gives float32."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from spinn_edge.core.errors import ExportError, first_line


class HalfInside(nn.Module):
    """Casts float inputs to float16 and outputs back; what lies between is a ``.half()`` copy.

    Takes and gives what the wrapped module does, float16 nowhere to be seen.
    """

    def __init__(self, module: nn.Module) -> None:
        """Copy ``module``, which stays as it is.

        Raises:
            ExportError: it cannot be copied, or has weights that float16 cannot hold.
        """
        super().__init__()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of its own insides in a copy
                self.module = copy.deepcopy(module).half().eval()
        except Exception as exc:  # a user's own module may raise anything
            raise ExportError(
                f"the model has no float16 copy ({type(exc).__name__}): {first_line(exc)}"
            ) from exc
        for name, tensor in self.module.named_parameters():
            if not torch.isfinite(tensor).all():
                raise ExportError(
                    f"'{name}' holds values beyond ±{torch.finfo(torch.float16).max:.0f}, which "
                    "float16 has not; leave fp16 out of --precision"
                )

    def forward(self, *inputs: torch.Tensor) -> Any:
        return _floats(self.module(*(x.half() if x.is_floating_point() else x for x in inputs)))


def _floats(result: Any) -> Any:
    if isinstance(result, Mapping):
        return {name: _floats(value) for name, value in result.items()}
    if isinstance(result, tuple | list):
        return tuple(_floats(value) for value in result)
    return result.float() if result.is_floating_point() else result
