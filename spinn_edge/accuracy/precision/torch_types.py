"""Which number formats TorchScript and PT2 files compute and keep their weights in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spinn_edge.accuracy.precision.type_counts import TypeCounts, with_usual_kinds
from spinn_edge.core.optional import require
from spinn_edge.models.pt2_file import load_pt2
from spinn_edge.models.torchscript_file import load_torchscript

FROM_MODULES = "types of the weights of each module in the TorchScript file"
FROM_PROGRAM = "types in the exported program"

_MOVERS = {
    *(
        "_to_copy",
        "to",
        "alias",
        "clone",
        "contiguous",
        "detach",
        "view",
        "reshape",
        "_unsafe_view",
    ),
    *("flatten", "unflatten", "squeeze", "unsqueeze", "transpose", "permute", "t", "expand"),
    *("slice", "select", "split", "split_with_sizes", "cat", "stack", "index", "index_select"),
    *("gather", "repeat", "full", "zeros", "ones", "arange", "lift_fresh_copy", "pad", "dropout"),
}
"""Operators that move, convert, hold or choose numbers, and compute none."""


def count_torchscript(path: Path) -> TypeCounts:
    """Count the modules of a TorchScript file that hold weights, by the type of these.

    TorchScript forgets the types of what flows between its operators, but PyTorch's operators
    refuse weights of another type than their inputs: so the weights tell.

    Raises:
        MissingDependencyError: torch is not installed.
        BundleError: the file is corrupt.
    """
    kinds = _kinds()
    module = load_torchscript(path)
    layers: Counter[str] = Counter()
    for part in module.modules():
        held = [kinds[p.dtype] for p in part.parameters(recurse=False) if p.dtype in kinds]
        if held:
            layers[held[0]] += 1
    return TypeCounts(
        layers=with_usual_kinds(layers),
        counted_from=FROM_MODULES,
        weight_values=_weights(module.state_dict().values(), kinds),
    )


def count_pt2(path: Path) -> TypeCounts:
    """Count the computing operators of a PT2 file by the float type of what they put out.

    Raises:
        MissingDependencyError: torch is not installed.
        UsageError: loading the file could run code.
        BundleError: the file is corrupt.
    """
    kinds = _kinds()
    program = load_pt2(path)
    layers: Counter[str] = Counter()
    for node in program.graph.nodes:
        name = getattr(getattr(node.target, "overloadpacket", None), "__name__", "")
        value = node.meta.get("val")
        dtype = getattr(value[0] if isinstance(value, list | tuple) else value, "dtype", None)
        if name and name not in _MOVERS and dtype in kinds:
            layers[kinds[dtype]] += 1
    tensors = (*program.state_dict.values(), *program.constants.values())
    return TypeCounts(
        layers=with_usual_kinds(layers),
        counted_from=FROM_PROGRAM,
        weight_values=_weights(tensors, kinds),
    )


def _kinds() -> dict[Any, str]:
    torch = require("torch", extra="export")
    return {
        torch.float32: "fp32",
        torch.float16: "fp16",
        torch.bfloat16: "bf16",
        torch.float64: "fp64",
        torch.int8: "int8",
        torch.uint8: "int8",
    }


def _weights(tensors: Iterable[Any], kinds: dict[Any, str]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for tensor in tensors:
        if tensor.dim() > 1 and tensor.dtype in kinds:
            found[kinds[tensor.dtype]] += tensor.numel()
    return dict(found)
