"""Arithmetic on tangents that are zero, taken out of a graph before it is compiled.

Forward mode gives a weight, which does not depend on the input, a tangent of zero: a tensor without
memory, which eager PyTorch multiplies for nothing. A traced graph holds it as a tensor like any
other. Compiled, each layer then pays a whole product with zeros, forwards and backwards, and torch
2.13 may write into the memory that is not there ("ZeroTensors are immutable").

Source: https://github.com/pytorch/pytorch/issues/177261; aten/src/ATen/ZeroTensorFallback.cpp.
"""

from __future__ import annotations

from typing import Any

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

_aten = torch.ops.aten
_ZERO = _aten._efficientzerotensor.default
_PRODUCTS = (_aten.mm.default, _aten.bmm.default, _aten.mul.Tensor, _aten.mul.Scalar)
"""Zero as soon as one factor is."""
_SHAPES = (
    *(_aten.t.default, _aten.transpose.int, _aten.permute.default, _aten.view.default),
    *(_aten.expand.default, _aten.slice.Tensor, _aten.select.int, _aten.unsqueeze.default),
    *(_aten.squeeze.dim, _aten._unsafe_view.default, _aten.reshape.default, _aten.clone.default),
    *(_aten.detach.default, _aten.alias.default, _aten.neg.default, _aten.sum.dim_IntList),
)
"""Zero when the tensor they begin with is."""


class DropZeroTangents(CustomGraphPass):
    """Pass over a joint graph, forward and backward: same results, no arithmetic on zeros.

    As in eager PyTorch, zero times anything is zero, Inf and NaN included. A zero tensor that is
    still read afterwards becomes an ordinary tensor of zeros.
    """

    def __call__(self, graph: Graph) -> None:
        """Change ``graph`` in place."""
        zeros: set[Node] = set()
        for node in list(graph.nodes):
            if node.op != "call_function":
                continue
            if node.target is _ZERO or _is_zero(node, zeros):
                zeros.add(node)
            elif (same := _other_summand(node, zeros)) is not None:
                node.replace_all_uses_with(same)
        for node in zeros:
            _fill_if_read(graph, node, zeros)
        graph.eliminate_dead_code()

    def uuid(self) -> Any:
        """Return what the cache of compiled graphs knows this pass by."""
        return get_hash_for_files((__file__,))


def _is_zero(node: Node, zeros: set[Node]) -> bool:
    if node.target in _PRODUCTS:
        return any(factor in zeros for factor in node.args)
    if node.target in _SHAPES:
        return node.args[0] in zeros
    return node.target is _aten.add.Tensor and set(node.args[:2]) <= zeros


def _other_summand(node: Node, zeros: set[Node]) -> Node | None:
    """Return what a sum with zeros is equal to; None where it is no such sum."""
    if node.target not in (_aten.add.Tensor, _aten.sub.Tensor):
        return None
    first, second = node.args[:2]
    if second in zeros and _alike(first, node):
        return first  # type: ignore[return-value]  # _alike: a node
    plain_sum = node.target is _aten.add.Tensor and "alpha" not in node.kwargs
    if plain_sum and first in zeros and _alike(second, node):
        return second  # type: ignore[return-value]
    return None


def _alike(summand: Any, node: Node) -> bool:
    """Tell whether a summand has the shape and type of the sum; broadcasting may change both."""
    if not isinstance(summand, Node):
        return False
    mine, whole = summand.meta["val"], node.meta["val"]
    return bool(mine.shape == whole.shape and mine.dtype == whole.dtype)


def _fill_if_read(graph: Graph, node: Node, zeros: set[Node]) -> None:
    if all(user in zeros for user in node.users):
        return
    value = node.meta["val"]
    with graph.inserting_before(node):
        filled = graph.call_function(
            _aten.full.default,
            (list(value.shape), 0.0),
            {"dtype": value.dtype, "device": value.device, "pin_memory": False},
        )
    filled.meta.update(node.meta)
    node.replace_all_uses_with(filled, delete_user_cb=lambda user: user not in zeros)
