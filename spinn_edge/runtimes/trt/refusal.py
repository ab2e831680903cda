"""TensorRT's refusals in words that name the ONNX node and what may help."""

from __future__ import annotations

import re
from typing import Any, Protocol

_ONNX_LAYER = re.compile(r"\[ONNX Layer: ([^\]]*)\]")

# Texts of assertions, which say nothing to a reader, by the name of the parser's error code.
_PARSER_CODES = {
    "UNSUPPORTED_NODE": "TensorRT does not support this operator, or not with these attributes",
    "UNSUPPORTED_NODE_ATTR": "TensorRT does not support an attribute of this operator",
    "UNSUPPORTED_NODE_INPUT": "TensorRT does not support an input of this operator",
    "UNSUPPORTED_NODE_DATATYPE": "TensorRT does not support this operator for its data type",
    "UNSUPPORTED_NODE_DYNAMIC": "TensorRT supports this operator for fixed shapes only",
    "UNSUPPORTED_NODE_SHAPE": "TensorRT does not support this operator for its shapes",
}


class Wanted(Protocol):
    """The part of a recipe that a piece of advice depends on."""

    @property
    def compute_capability(self) -> str:
        """GPU to build for."""

    @property
    def workspace_bytes(self) -> int | None:
        """Scratch memory allowed."""


def parser_refusal(parser: Any) -> str:
    """Return every parser error, each with the node that it is about."""
    words = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        text = str(error.desc()).strip()
        meaning = _PARSER_CODES.get(str(getattr(error.code(), "name", "")))
        if meaning:
            text = meaning if text in ("", "false") else f"{meaning} ({text})"
        if error.node_operator():
            text = f"node '{error.node_name()}' ({error.node_operator()}): {text}"
        words.append(text)
    return "; ".join(words) or "no reason given"


def build_refusal(network: Any, words: str, wanted: Wanted) -> str:
    """Return the builder's last words behind the ONNX nodes that they speak of.

    Args:
        network: the INetworkDefinition that was not built; its layers carry their nodes' names.
        words: what the logger kept.
        wanted: what was asked for.
    """
    nodes = []
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        found = _ONNX_LAYER.findall(str(layer.metadata or ""))
        names = [name for name in (layer.name, *found) if name]
        if any(_speaks_of(words, name) for name in names):
            nodes += found or [layer.name]
    named = "".join(f"node '{name}': " for name in dict.fromkeys(nodes))
    advice = _advice(words, wanted)
    return f"{named}{words}{chr(10) if advice else ''}{advice}"


def _speaks_of(words: str, name: str) -> bool:
    """Tell whether ``name`` stands in ``words`` as a whole name, not inside a longer one."""
    return re.search(rf"(?<![\w./]){re.escape(name)}(?![\w/])", words) is not None


def _advice(words: str, wanted: Wanted) -> str:
    if "FP32 GEMM is not supported" in words:
        return (
            f"this package has no float32 matrix products for {wanted.compute_capability}; export "
            "with --precision fp16, or for other GPUs with --compute-capability"
        )
    if wanted.workspace_bytes is not None and "workspace" in words.lower():
        return f"allowed were {wanted.workspace_bytes} bytes; raise or leave out --workspace-mib"
    return ""
