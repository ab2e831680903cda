"""What of a network can be pruned."""

from __future__ import annotations

from torch import Tensor, nn

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.graph.calls import count_calls
from spinn_edge.pruning.graph.chain import chain_groups
from spinn_edge.pruning.graph.dependency import dependency_groups
from spinn_edge.pruning.graph.groups import ChannelGraph
from spinn_edge.pruning.graph.proving import prove_groups, shaken


def find_groups(module: nn.Module, example: tuple[Tensor, ...]) -> ChannelGraph:
    """Find the channels that can go together, and prove of each group that they can.

    A plain MLP is read off its layers; any other network is traced by torch-pruning.

    Args:
        module: not changed.
        example: inputs that the network takes, batch first, on the module's device.

    Returns:
        Groups that were proven, and the layers that stay as they are, with the reason.

    Raises:
        PruningError: the network cannot be traced, or does not run on the example.
        MissingDependencyError: torch-pruning is not installed and the network is no plain MLP.
    """
    calls = count_calls(module, example)
    probed = shaken(module, example)
    try:
        graph = chain_groups(probed)
        prove_groups(probed, graph.groups, example)
    except PruningError:
        return dependency_groups(probed, example, calls)
    return graph
