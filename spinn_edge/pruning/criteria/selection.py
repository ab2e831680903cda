"""Which channels stay, by their scores."""

from __future__ import annotations

import torch

from spinn_edge.core.errors import PruningError


def keep_top(scores: torch.Tensor, count: int, blocks: int = 1) -> torch.Tensor:
    """Return the indices of the highest scores, in ascending order of index.

    Ties go to the lower index, so that the choice does not depend on the sorting kernel.

    Args:
        scores: shape (channels,).
        count: how many stay.
        blocks: the channels stand in this many equal blocks, each of which keeps
            ``count / blocks`` of its own.

    Returns:
        Shape (count,), int64, on the scores' device.

    Raises:
        PruningError: the blocks cannot keep as many each, or there are not as many channels.
    """
    channels = len(scores)
    if not 1 <= count <= channels:
        raise PruningError(f"{count} of {channels} channels cannot stay; keep 1 to {channels}")
    if channels % blocks or count % blocks:
        raise PruningError(
            f"{count} of {channels} channels cannot stay in {blocks} blocks of one size; keep a "
            f"multiple of {blocks}"
        )
    order = torch.argsort(scores.reshape(blocks, -1), dim=1, descending=True, stable=True)
    first = torch.arange(blocks, device=scores.device).unsqueeze(1) * (channels // blocks)
    kept = order[:, : count // blocks] + first
    return kept.flatten().sort().values
