"""What of a tensor belongs to which channel."""

from __future__ import annotations

from torch import Tensor

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import Cut
from spinn_edge.pruning.graph.groups import Group


def channel_values(tensor: Tensor, part: Cut, group: Group) -> Tensor:
    """Return what of a tensor belongs to each channel, shape (channels, values).

    Raises:
        PruningError: the tensor does not have the positions that the cut names.
    """
    size = group.channels * part.repeat
    if part.dim >= tensor.ndim or part.offset + size > tensor.shape[part.dim]:
        raise PruningError(
            f"'{part.tensor}' has shape {tuple(tensor.shape)}, but '{group.name}' has "
            f"{group.channels} channels along its dimension {part.dim} from position "
            f"{part.offset}; give the network that these groups were found in"
        )
    own = tensor.movedim(part.dim, 0)[part.offset : part.offset + size]
    return own.reshape(group.channels, -1)
