"""Which channels go where through operations that torch-pruning takes for elementwise ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


def say_sizes(graph: Any, tp: Any) -> None:
    """Tell torch-pruning the sizes of what is split and concatenated, before it infers them.

    It infers them from the layers around, and fails where there are none.
    """
    for node in graph.module2node.values():
        if node.type == tp.ops.OPTYPE.CONCAT:
            node.module.concat_sizes = [size for _, size in _parts(graph, node)]
        elif node.type == tp.ops.OPTYPE.SPLIT and _is_split(node.grad_fn):
            sizes = node.grad_fn._saved_self_sym_sizes
            dim = _dimension(node.grad_fn, len(sizes))
            parts = _split_sizes(node.grad_fn, int(sizes[dim]))
            node.grad_fn = _Split(_saved_split_sizes=parts, _saved_dim=dim, shape=tuple(sizes))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """The node of a split, with the sizes of its parts as torch-pruning reads them."""

    _saved_split_sizes: list[int]
    _saved_dim: int
    shape: tuple[int, ...]


def _parts(graph: Any, node: Any) -> list[tuple[int, int]]:
    """Return offset and size of each part of a concatenation that torch-pruning sees.

    Parts that carry no gradient, such as the network's inputs, have no size in the graph; where
    they are neighbours, theirs is what the others leave.
    """
    shape = node.grad_fn._input_metadata[0].shape
    dim = _dimension(node.grad_fn, len(shape))
    sizes = [_size_of(function, number, dim) for function, number in node.grad_fn.next_functions]
    missing = int(shape[dim]) - sum(size for size in sizes if size is not None)
    parts, offset = [], 0
    for (function, _), size in zip(node.grad_fn.next_functions, sizes, strict=True):
        if size is not None and _is_seen(graph, function):
            parts.append((offset, size))
        offset += missing if size is None else size
        missing = 0 if size is None else missing
    return parts


def _size_of(function: Any, number: int, dim: int) -> int | None:
    if function is None:
        return None
    if hasattr(function, "variable"):
        return int(function.variable.shape[dim])
    return int(function._input_metadata[number].shape[dim])


def _is_seen(graph: Any, function: Any) -> bool:
    """Say whether torch-pruning has a node for this part; of leaves, for some parameters only."""
    if not hasattr(function, "variable"):
        return True
    return any(function.variable is parameter for parameter, _ in graph.unwrapped_parameters)


def _map_concatenation(graph: Any, node: Any, tp: Any) -> None:
    """Shift each part to where it lies among the channels."""
    parts = _parts(graph, node)
    ndim = len(node.grad_fn._input_metadata[0].shape)
    dim = _dimension(node.grad_fn, ndim)
    if len(parts) != len(node.inputs) or dim not in (1, ndim - 1):
        return
    known = [_channels_of(graph, source, tp) for source in node.inputs]
    if all(size not in (None, found) for found, (_, size) in zip(known, parts, strict=True)):
        return
    if ndim > 2 and any(found not in (None, s) for found, (_, s) in zip(known, parts, strict=True)):
        return  # along the tokens, say
    done: list[Any] = []
    for source, (low, size) in zip(node.inputs, parts, strict=True):
        for steps, target, positions in (
            (source.dependencies, node, _shift(low)),
            (node.dependencies, source, _shift_back(low, size)),
        ):
            for step in steps:
                if step.target is target and not any(step is old for old in done):
                    step.index_mapping[1] = _mapping(positions)
                    done.append(step)
                    break


def _shift(low: int) -> Callable[[int], list[int]]:
    return lambda i: [i + low]


def _shift_back(low: int, size: int) -> Callable[[int], list[int]]:
    return lambda i: [i - low] if low <= i < low + size else []


def _map_split(graph: Any, node: Any, tp: Any) -> None:
    found = node.grad_fn
    if not isinstance(found, _Split) or len(found.shape) < 3:
        return
    if found._saved_dim != len(found.shape) - 1 or _channels(graph, node, tp) != found.shape[-1]:
        return
    parts = found._saved_split_sizes
    node.module.split_sizes = parts
    node.module.offsets = [sum(parts[:i]) for i in range(len(parts) + 1)]
    node.grad_fn = object()  # without the dimension that makes torch-pruning stop
    tp.dependency.index_mapping.update_split_index_mapping(graph, node)


def _is_split(grad_fn: Any) -> bool:
    return _name(grad_fn) in ("SplitBackward0", "SplitWithSizesBackward0")


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
    _map(node, _shift_back(low, size), _shift(low))


def _channels(graph: Any, node: Any, tp: Any) -> int | None:
    return _channels_of(graph, node.inputs[0], tp) if node.inputs else None


def _channels_of(graph: Any, node: Any, tp: Any) -> int | None:
    found = tp.dependency.shape_infer.infer_out_channels_recursively(graph, node, [0])
    return None if found is None else int(found)


def _name(grad_fn: Any) -> str:
    return str(grad_fn.name()) if hasattr(grad_fn, "name") else ""


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
