"""Which tensor of an ONNX file is which layer's output."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spinn_edge.accuracy.divergence.layer_outputs import LayerOutput
from spinn_edge.accuracy.divergence.node_outputs import NodeOutput

BY_PATH = "module paths in the ONNX file"
BY_ORDER = "order, operator and shape: the ONNX file names no modules"
BY_TENSOR = "tensor names"

_CARRIERS = frozenset(
    {"Cast", "CastLike", "Identity", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}
)
"""Operators that change a number format and belong to no layer."""

_OPERATORS = {
    "Linear": ("Gemm", "MatMul"),
    "Conv1d": ("Conv",),
    "Conv2d": ("Conv",),
    "Conv3d": ("Conv",),
    "Tanh": ("Tanh",),
    "ReLU": ("Relu",),
    "Sigmoid": ("Sigmoid",),
    "GELU": ("Gelu",),
    "SiLU": ("Swish", "Mul"),
    "Sin": ("Sin",),
    "Softplus": ("Softplus",),
    "BatchNorm1d": ("BatchNormalization",),
    "BatchNorm2d": ("BatchNormalization",),
    "MaxPool2d": ("MaxPool",),
    "Flatten": ("Flatten", "Reshape"),
}
"""Operators that a module of a class becomes, where order and shape must do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPair:
    """One layer in both forms.

    Attributes:
        layer: in the form that is held to be right.
        node: in the ONNX file.
    """

    layer: LayerOutput
    node: NodeOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """What could not be compared.

    Attributes:
        name: path of a module, or name of a node.
        kind: its class or operator.
        reason: in words.
    """

    name: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """What belongs together.

    Attributes:
        pairs: in the order of the ONNX file's nodes.
        unmatched: layers and nodes without a partner.
        matched_by: what told, in words.
    """

    pairs: tuple[LayerPair, ...]
    unmatched: tuple[Unmatched, ...]
    matched_by: str


def match_layers(layers: Sequence[LayerOutput], nodes: Sequence[NodeOutput]) -> Matching:
    """Find the tensor of each layer of a PyTorch module.

    Where the file names the modules that its nodes were made from, their paths tell. A module that
    was called several times has as many groups of nodes. Where the file names none, the innermost
    layers and the nodes are paired in order, by operator and shape.

    Args:
        layers: of the module, in the order of the calls.
        nodes: of the file, in its order.
    """
    if any(node.scopes for node in nodes):
        return _match_by_path(layers, nodes)
    return _match_by_order(layers, nodes)


def match_tensors(layers: Sequence[LayerOutput], nodes: Sequence[NodeOutput]) -> Matching:
    """Find the tensors of one ONNX graph in another that was made from it, by their names."""
    known = {layer.layer: layer for layer in layers}
    taken = {node.tensor for node in nodes}
    unmatched = [
        Unmatched(name=layer.layer, kind=layer.kind, reason="no tensor of this name in the file")
        for layer in layers
        if layer.layer not in taken
    ]
    unmatched += [
        Unmatched(name=node.node, kind=node.operator, reason="its tensor is not in the fp32 file")
        for node in nodes
        if node.tensor not in known and node.operator not in _CARRIERS
    ]
    pairs = [
        LayerPair(layer=known[node.tensor], node=node) for node in nodes if node.tensor in known
    ]
    return Matching(pairs=tuple(pairs), unmatched=tuple(unmatched), matched_by=BY_TENSOR)


def _match_by_path(layers: Sequence[LayerOutput], nodes: Sequence[NodeOutput]) -> Matching:
    pairs: dict[str, LayerPair] = {}
    unmatched: list[Unmatched] = []
    explained: set[str] = set()  # tensors that lie within a layer which was found
    # innermost first: what encloses a layer often puts out that layer's tensor
    for path in sorted(dict.fromkeys(layer.layer for layer in layers), key=_depth, reverse=True):
        calls = [layer for layer in layers if layer.layer == path]
        own = [node for node in nodes if node.scopes and node.scopes[-1] == path]
        within = own if calls[0].innermost else [node for node in nodes if path in node.scopes]
        if not own and not calls[0].innermost:
            continue  # a container: its layers speak for it
        groups = _groups(within, len(calls))
        if len(groups) != len(calls):
            reason = (
                "no node of the file was made from it alone: left out or joined with another layer"
                if not groups
                else f"called {len(calls)} times, but the file has {len(groups)} groups of nodes"
            )
            unmatched += [Unmatched(name=c.layer, kind=c.kind, reason=reason) for c in calls[:1]]
            continue
        for call, group in zip(calls, groups, strict=True):
            node = group[-1]
            if (fault := _unlike(call, node)) is not None:
                unmatched.append(Unmatched(name=call.layer, kind=call.kind, reason=fault))
            else:
                pairs.setdefault(node.tensor, LayerPair(layer=call, node=node))
                explained.update(inner.tensor for inner in group if call.innermost)
    explained |= _pieces(nodes, set(pairs))
    unmatched += [
        Unmatched(
            name=node.node,
            kind=node.operator,
            reason="computed outside of a layer, in a module's own forward"
            if node.scopes
            else "the file does not say which layer it was made from",
        )
        for node in nodes
        if node.tensor not in explained | set(pairs) and node.operator not in _CARRIERS
    ]
    ordered = tuple(pairs[node.tensor] for node in nodes if node.tensor in pairs)
    return Matching(pairs=ordered, unmatched=tuple(unmatched), matched_by=BY_PATH)


def _groups(nodes: Sequence[NodeOutput], calls: int) -> list[list[NodeOutput]]:
    """Split the nodes of one module into those of each call."""
    if calls == 1 or not nodes:
        return [list(nodes)] if nodes else []
    by_operation: dict[str, list[NodeOutput]] = {}
    for node in nodes:
        by_operation.setdefault(node.operation, []).append(node)
    names = list(by_operation)
    if len({_numbered(name)[0] for name in names}) == 1:
        names.sort(key=_numbered)  # traced as tanh, tanh_1, tanh_2, whatever the file's order
    if len(names) % calls:
        return [by_operation[name] for name in names]
    each = len(names) // calls
    return [
        [node for name in names[start : start + each] for node in by_operation[name]]
        for start in range(0, len(names), each)
    ]


def _pieces(nodes: Sequence[NodeOutput], found: set[str]) -> set[str]:
    """Return tensors of nodes that a converter has put before its own form of a found layer."""
    pieces: set[str] = set()
    for node in reversed(nodes):
        readers = [other for other in nodes if node.tensor in other.reads]
        if (
            not node.scopes
            and readers
            and all(
                other.tensor in pieces or (other.renamed and other.tensor in found)
                for other in readers
            )
        ):
            pieces.add(node.tensor)
    return pieces


def _match_by_order(layers: Sequence[LayerOutput], nodes: Sequence[NodeOutput]) -> Matching:
    pairs: list[LayerPair] = []
    unmatched: list[Unmatched] = []
    used: set[str] = set()
    start = 0
    for layer in (layer for layer in layers if layer.innermost):
        wanted = _OPERATORS.get(layer.kind, ())
        for index in range(start, len(nodes)):
            node = _with_bias(nodes, index)
            if nodes[index].operator in wanted and _unlike(layer, node) is None:
                pairs.append(LayerPair(layer=layer, node=node))
                used |= {nodes[index].tensor, node.tensor}
                start = index + 1
                break
        else:
            reason = "no later node of its operator and shape"
            unmatched.append(Unmatched(name=layer.layer, kind=layer.kind, reason=reason))
    unmatched += [
        Unmatched(name=node.node, kind=node.operator, reason="no layer of its operator and shape")
        for node in nodes
        if node.tensor not in used and node.operator not in _CARRIERS
    ]
    return Matching(pairs=tuple(pairs), unmatched=tuple(unmatched), matched_by=BY_ORDER)


def _with_bias(nodes: Sequence[NodeOutput], index: int) -> NodeOutput:
    """Return the Add that follows a MatMul and keeps its shape; else the node itself."""
    node = nodes[index]
    if node.operator != "MatMul":
        return node
    readers = [other for other in nodes[index + 1 :] if node.tensor in other.reads]
    if len(readers) == 1 and readers[0].operator == "Add":
        return readers[0]
    return node


def _unlike(layer: LayerOutput, node: NodeOutput) -> str | None:
    if layer.values is None:
        return "it puts out no single tensor"
    if layer.values.shape != node.values.shape:
        return (
            f"shape {list(layer.values.shape)}, but node {node.node} puts out "
            f"{list(node.values.shape)}"
        )
    return None


def _depth(path: str) -> int:
    return path.count(".")


def _numbered(operation: str) -> tuple[str, int]:
    """Split ``tanh_12`` into ``tanh`` and 12; a name without a number counts as 0."""
    found = re.fullmatch(r"(.*?)_(\d+)", operation)
    return (found[1], int(found[2])) if found else (operation, 0)
