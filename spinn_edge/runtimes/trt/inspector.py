"""Which number formats the layers of an engine really have, from TensorRT's engine inspector.

Needs a deserialized engine, so a GPU. The engine must have been built with detailed profiling
verbosity, as :mod:`spinn_edge.runtimes.trt.builder` does; else it tells no types.

This has NOT been executed on a GPU yet; the layouts of the JSON are those that NVIDIA documents and
that engines of other people show.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from spinn_edge.runtimes.trt.backend import Backend, logger_of

_MOVERS = {
    *("reformat", "noop", "constant", "cast", "shuffle", "shape", "signal", "wait", "copy"),
    *("quantize", "dequantize"),
}
"""Layer types that move or convert numbers, or hold them, and compute none."""

_INT8 = re.compile(r"\bint8\b", re.IGNORECASE)

_TYPES = (
    ("fp16", re.compile(r"\b(fp16|half|float16)\b", re.IGNORECASE)),
    ("bf16", re.compile(r"\b(bf16|bfloat16)\b", re.IGNORECASE)),
    ("fp32", re.compile(r"\b(fp32|float|float32)\b", re.IGNORECASE)),
)


def inspect_plan(backend: Backend, plan: bytes, *, carries_code: bool = False) -> dict[str, int]:
    """Load a serialized engine on the GPU in this machine and count its layers by type.

    Call it only where the driver has shown a GPU that the engine was built for, and for an engine
    that this process built, since the code in it is allowed to run.

    Args:
        backend: package that built it.
        plan: its bytes.
        carries_code: it is version-compatible.

    Returns:
        As :func:`layer_types`; empty where TensorRT does not load it.
    """
    runtime = backend.module.Runtime(logger_of(backend))
    if carries_code:
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(plan)
    return {} if engine is None else layer_types(engine, backend)


def layer_types(engine: Any, backend: Backend) -> dict[str, int]:
    """Count the computing layers of an engine by the float type that they put out.

    Args:
        engine: ICudaEngine.
        backend: package that loaded it.

    Returns:
        ``{"fp16": 5, "fp32": 2}`` and other types where there are some; empty where the inspector
        tells no types.

    Source: NVIDIA TensorRT documentation, "Engine Inspector"; "Migrating IEngineInspector Usage
    from TensorRT 10.x to 11.x" (``Layers`` stays).
    """
    inspector = engine.create_engine_inspector()
    return count_types(inspector.get_engine_information(backend.module.LayerInformationFormat.JSON))


def count_types(text: str) -> dict[str, int]:
    """Count the types in the inspector's JSON; anything unexpected counts for nothing."""
    try:
        document = json.loads(text)
    except (TypeError, ValueError):
        return {}
    layers = document.get("Layers") if isinstance(document, Mapping) else None
    if not isinstance(layers, list):
        return {}
    found = Counter(kind for record in layers if (kind := _type_of(record)))
    return {"fp16": found.pop("fp16", 0), "fp32": found.pop("fp32", 0), **found} if found else {}


def _type_of(record: Any) -> str:
    """Return int8 for a layer that takes it, else the type of its first float output.

    A product of 8-bit factors may put out floats. Empty for a bare name or a mover.
    """
    if not isinstance(record, Mapping):  # without detailed verbosity a layer is its name alone
        return ""
    if str(record.get("LayerType", "")).lower() in _MOVERS:
        return ""
    inputs = record.get("Inputs")
    for tensor in inputs if isinstance(inputs, list) else ():
        if any(_INT8.search(text) for text in _words_of(tensor)):
            return "int8"
    outputs = record.get("Outputs")
    for output in outputs if isinstance(outputs, list) else ():
        for text in _words_of(output):
            for kind, pattern in _TYPES:
                if pattern.search(text):
                    return kind
    return ""


def _words_of(tensor: Any) -> Iterable[str]:
    if isinstance(tensor, Mapping):
        for key in ("Format/Datatype", "DataType", "Datatype", "Format"):
            if key in tensor:
                yield str(tensor[key])
