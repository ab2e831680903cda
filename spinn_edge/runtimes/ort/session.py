"""An ONNX file, opened with exactly one execution provider, and which node landed where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.core.errors import (
    BundleError,
    RuntimeUnavailableError,
    UsageError,
    first_line,
)
from spinn_edge.core.tensors import TensorSpec

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}

_TELLING = re.compile(
    r"(Unknown provider option|Failed to parse provider option|This session cannot use|"
    r"(CUDA|CUDNN|CUBLAS|CUFFT) failure|Failed to allocate memory)[^;\n]*"
)
"""The words for a user; around them stand C++ signatures, host name, file and line."""


def open_session(
    ort: Any,
    path: Path,
    provider: str,
    *,
    threads: int,
    spinning: bool | None = None,
    provider_options: Mapping[str, str] | None = None,
) -> Any:
    """Open ``path`` with ``provider``, and with no other where that one fails.

    Args:
        ort: the module ``onnxruntime``.
        path: ONNX file.
        provider: name of the execution provider. Nodes that it has no kernel for go to the CPU
            provider all the same: :func:`nodes_by_provider` tells.
        threads: CPU threads inside one operator.
        spinning: those threads wait busily for work; None leaves it to onnxruntime.
        provider_options: as onnxruntime spells them.

    Returns:
        An ``onnxruntime.InferenceSession``.

    Raises:
        UsageError: fewer than one thread, or onnxruntime refuses a provider option.
        RuntimeUnavailableError: it loaded another provider, or cannot capture a CUDA graph.
        BundleError: the file cannot be loaded.

    Source: ``InferenceSession.__init__`` of onnxruntime 1.31: unless ``enable_fallback`` is 0, an
    error of the provider is printed and the session opened again on the CPU.
    """
    if threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}")
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.inter_op_num_threads = 1
    if spinning is not None:
        settings.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    settings.log_severity_level = 3  # errors only: they become exceptions of ours
    settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    providers = [(provider, dict(provider_options or {}))]
    try:
        session = ort.InferenceSession(str(path), settings, providers=providers, enable_fallback=0)
    except Exception as exc:  # onnxruntime raises its own pybind types
        raise _in_our_words(exc, path) from exc
    if (loaded := session.get_providers()[0]) != provider:
        raise RuntimeUnavailableError(
            f"asked for {provider}, onnxruntime loaded {loaded}; nothing was run. What it lacks "
            "stands on standard error; CUDA's libraries come with: "
            "pip install 'onnxruntime-gpu[cuda,cudnn]'"
        )
    return session


def spec_of(node: Any) -> TensorSpec:
    """Return the spec of an onnxruntime ``NodeArg``."""
    if node.type not in _DTYPES:
        raise BundleError(f"tensor '{node.name}' has type {node.type}, which numpy cannot hold")
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return TensorSpec(node.name, shape, np.dtype(_DTYPES[node.type]))


def nodes_by_provider(session: Any) -> dict[str, list[str]] | None:
    """Return the operators that each provider was given; None where onnxruntime is too old to tell.

    These are the nodes at the time of the assignment. Fusions may join some of them later.

    Args:
        session: what :func:`open_session` returned.
    """
    ask = getattr(session, "get_provider_graph_assignment_info", None)
    if ask is None:
        return None
    found: dict[str, list[str]] = {}
    for part in ask():
        found.setdefault(part.ep_name, []).extend(node.op_type for node in part.get_nodes())
    return found


def describe_fallback(session: Any, provider: str, version: str) -> str:
    """Say how many nodes do not run on ``provider``; nothing where all of them do.

    Args:
        session: what :func:`open_session` returned.
        provider: where they should run.
        version: of onnxruntime.
    """
    found = nodes_by_provider(session)
    if found is None:
        return f"onnxruntime {version} does not tell which nodes run on the CPU"
    elsewhere = [name for owner, names in found.items() if owner != provider for name in names]
    if not elsewhere:
        return ""
    total = sum(len(names) for names in found.values())
    verb = "node runs" if total == 1 else "nodes run"
    names = ", ".join(sorted(set(elsewhere)))
    return f"{len(elsewhere)} of {total} {verb} on the CPU: {names}"


def told_by(exc: Exception) -> str:
    """Return what an exception of onnxruntime tells its user, without C++ around it."""
    found = _TELLING.search(str(exc))
    return first_line(Exception(found.group()) if found else exc)


def _in_our_words(exc: Exception, path: Path) -> Exception:
    """Tell a wrong option and a graph that cannot be captured from a damaged file, by the text.

    Source: the errors of onnxruntime-gpu 1.31.1, whose CUDA provider was loaded over a driver
    without a device; ``inference_session.cc`` ("This session cannot use the CUDA Graph feature",
    later "the graph capture feature").
    """
    said = told_by(exc)
    text = str(exc).lower()
    if "provider option" in text:
        return UsageError(f"onnxruntime refuses a --provider-option: {said}")
    if "cuda graph" in text or "graph capture" in text:
        return RuntimeUnavailableError(
            f"ONNX Runtime cannot capture this model as a CUDA graph: {said}; use ort-cuda"
        )
    if "cuda failure" in text or "cudnn failure" in text or "cublas failure" in text:
        return RuntimeUnavailableError(f"ONNX Runtime cannot use the GPU: {said}")
    return BundleError(f"{path} cannot be loaded by ONNX Runtime: {said}")
