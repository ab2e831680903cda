"""Normalisation over some of the channels: what a norm means to a network without the others."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)
"""Layers whose statistics run over channels, so that zeros in a channel do not silence it."""


class KeptNorm(nn.Module):
    """A norm that takes its statistics over the kept channels and gives zeros for the others.

    For LayerNorm and RMSNorm the channels are the last dimension, for GroupNorm the second one, of
    which every group keeps as many.

    Attributes:
        eps: not a number, so that no fused path of PyTorch takes this for the norm it stands for
            (``TransformerEncoderLayer`` compares the two norms' ``eps`` before it takes its own).
    """

    eps = float("nan")

    def __init__(self, norm: nn.Module, removed: Iterable[int]) -> None:
        """Stand in for ``norm``, one of ``NORMS``, whose channels ``removed`` are silent."""
        super().__init__()
        if not isinstance(norm, NORMS):
            raise TypeError(f"{type(norm).__name__} has no statistics over channels")
        self.norm = norm
        self.dim = 1 if isinstance(norm, nn.GroupNorm) else -1
        silent = set(removed)
        size = norm.num_channels if isinstance(norm, nn.GroupNorm) else norm.normalized_shape[-1]
        self.kept = torch.tensor([c for c in range(size) if c not in silent])

    @property
    def weight(self) -> Tensor | None:
        """The weight of the norm it stands for, of full size."""
        return self.norm.weight

    @property
    def bias(self) -> Tensor | None:
        """The bias of the norm it stands for, of full size."""
        return getattr(self.norm, "bias", None)

    def forward(self, x: Tensor) -> Tensor:
        kept = self.kept.to(x.device)
        some = x.index_select(self.dim, kept)
        if isinstance(self.norm, nn.GroupNorm):
            normed = nn.functional.group_norm(
                some,
                self.norm.num_groups,
                self._of(self.weight),
                self._of(self.bias),
                self.norm.eps,
            )
        else:
            shape = (*self.norm.normalized_shape[:-1], len(kept))
            weight = self._of(self.weight)
            if isinstance(self.norm, nn.RMSNorm):
                normed = nn.functional.rms_norm(some, shape, weight, self.norm.eps)
            else:
                normed = nn.functional.layer_norm(
                    some, shape, weight, self._of(self.bias), self.norm.eps
                )
        return torch.zeros_like(x).index_copy(self.dim, kept, normed)

    def _of(self, tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.index_select(-1, self.kept.to(tensor.device))
