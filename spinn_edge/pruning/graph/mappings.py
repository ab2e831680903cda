"""Which channels go where through operations that torch-pruning takes for elementwise ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Indices = Sequence[Any]


def map_more(graph: Any, tp: Any) -> None:
    """Add index mappings to a dependency graph.

    torch-pruning takes the second dimension for the channels, behind a Linear layer they are the
    last one; and it does not know gated linear units, nor ``qkv[0]`` of what was reshaped to
    (3, batch, heads, tokens, size).

    Args:
        graph: ``torch_pruning.DependencyGraph``, built; changed in place.
        tp: the package ``torch_pruning``.
    """
    for node in graph.module2node.values():
        kind = _name(node.grad_fn)
        if node.type == tp.ops.OPTYPE.CONCAT:
            _map_concatenation(graph, node, tp)
        elif node.type == tp.ops.OPTYPE.SPLIT:
            _map_split(graph, node, tp)
        elif kind == "GluBackward0":
            _map_gated(node)
        elif kind == "SelectBackward0":
            _map_select(graph, node, tp)


def _map(
    node: Any, forward: Callable[[int], list[int]], backward: Callable[[int], list[int]]
) -> None:
    """Map the indices of what goes into a node to those of what comes out, and back."""
    for source in node.inputs:
        for step in source.dependencies:
            if step.target is node:
                step.index_mapping[0] = _mapping(forward)
        for step in node.dependencies:
            if step.target is source:
                step.index_mapping[0] = _mapping(backward)


def _mapping(positions: Callable[[int], list[int]]) -> Callable[[Indices], Indices]:
    def moved(indices: Indices) -> Indices:
        return [index._replace(idx=new) for index in indices for new in positions(index.idx)]

    return moved


def _map_concatenation(graph: Any, node: Any, tp: Any) -> None:
    ndim = _ndim(node.grad_fn)
    if ndim > 2 and _dimension(node.grad_fn, ndim) == ndim - 1:
        node.grad_fn = object()  # without the dimension that makes torch-pruning stop
        tp.dependency.index_mapping.update_concat_index_mapping(graph, node)


def _map_split(graph: Any, node: Any, tp: Any) -> None:
    sizes = tuple(getattr(node.grad_fn, "_saved_self_sym_sizes", ()))
    if len(sizes) < 3 or _dimension(node.grad_fn, len(sizes)) != len(sizes) - 1:
        return
    if _channels(graph, node, tp) != sizes[-1]:
        return
    parts = _split_sizes(node.grad_fn, int(sizes[-1]))
    node.module.split_sizes = parts
    node.module.offsets = [sum(parts[:i]) for i in range(len(parts) + 1)]
    node.grad_fn = object()
    tp.dependency.index_mapping.update_split_index_mapping(graph, node)


def _map_gated(node: Any) -> None:
    """Map the two halves that a gated linear unit multiplies."""
    half = int(node.grad_fn._saved_self.shape[_dimension(node.grad_fn)]) // 2
    _map(node, lambda i: [i % half], lambda i: [i, i + half])


def _map_select(graph: Any, node: Any, tp: Any) -> None:
    """Map ``x[i]`` where the first of four or more dimensions was made out of the channels."""
    sizes = tuple(node.grad_fn._saved_self_sym_sizes)
    channels = _channels(graph, node, tp)
    if len(sizes) < 4 or _dimension(node.grad_fn, len(sizes)) != 0:
        return
    if channels is None or channels % sizes[0] or sizes[0] == 1:
        return
    size = channels // int(sizes[0])
    low = size * int(node.grad_fn._saved_index)
    _map(node, lambda i: [i - low] if low <= i < low + size else [], lambda i: [i + low])


def _channels(graph: Any, node: Any, tp: Any) -> int | None:
    if not node.inputs:
        return None
    shapes = tp.dependency.shape_infer
    found = shapes.infer_out_channels_recursively(graph, node.inputs[0], [0])
    return None if found is None else int(found)


def _name(grad_fn: Any) -> str:
    return str(grad_fn.name()) if hasattr(grad_fn, "name") else ""


def _ndim(grad_fn: Any) -> int:
    metadata = getattr(grad_fn, "_input_metadata", ())
    return len(metadata[0].shape) if metadata else 0


def _dimension(grad_fn: Any, ndim: int | None = None) -> int:
    """Return the dimension of an operation; a negative one is saved as an unsigned number."""
    dim = int(getattr(grad_fn, "_saved_dim", 0))
    dim = dim - 2**64 if dim > 2**63 else dim
    return dim + ndim if dim < 0 and ndim is not None else dim


def _split_sizes(grad_fn: Any, size: int) -> list[int]:
    if hasattr(grad_fn, "_saved_split_sizes"):
        return [int(part) for part in grad_fn._saved_split_sizes]
    step = int(grad_fn._saved_split_size)
    return [min(step, size - start) for start in range(0, size, step)]
