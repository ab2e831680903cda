"""TensorRT packages and bundles around a fake engine, and small ONNX files."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from spinn_edge.core.bundle import Bundle, describe_file
from spinn_edge.core.manifest import Architecture, FileEntry, Manifest
from spinn_edge.core.tensors import Array, TensorSpec
from spinn_edge.runtimes.nvidia.driver import CudaDevice
from spinn_edge.runtimes.trt.backend import Backend
from spinn_edge.runtimes.trt.preflight import EngineChoice
from spinn_edge.runtimes.trt.runtime import TensorRTRuntime
from tests.fakes.cuda import FakeCudart
from tests.fakes.trt_engine import FakeEngine

# Its enums and its ILogger are used; whoever imports this file is skipped without it.
tensorrt_rtx = pytest.importorskip("tensorrt_rtx")

FEATURES = 18
MAX_BATCH = 64
FLOAT32 = np.dtype("float32")
INPUTS = (TensorSpec("input", (None, FEATURES), FLOAT32),)
OUTPUTS = (TensorSpec("output", (None, 2), FLOAT32),)
PROFILE = {
    "input": {"min": [1, FEATURES], "opt": [32, FEATURES], "max": [MAX_BATCH, FEATURES]}
}  # fmt: skip
DEVICE = CudaDevice(name="NVIDIA H200", compute_capability="9.0", driver_version="13.0")


def write_mlp(path: Path, widths: tuple[int, ...] = (FEATURES, 8, 2)) -> Path:
    """Write a tanh MLP with a dynamic batch."""
    random = np.random.default_rng(0)
    nodes, weights, name = [], [], "input"
    for layer, (before, after) in enumerate(itertools.pairwise(widths)):
        matrix = random.standard_normal((before, after)).astype("float32") / math.sqrt(before)
        weights.append(numpy_helper.from_array(matrix, f"weight{layer}"))
        weights.append(numpy_helper.from_array(np.zeros(after, "float32"), f"bias{layer}"))
        last = layer == len(widths) - 2
        out = "output" if last else f"sum{layer}"
        feeds = [name, f"weight{layer}", f"bias{layer}"]
        nodes.append(helper.make_node("Gemm", feeds, [out], name=f"layer{layer}"))
        if not last:
            name = f"hidden{layer}"
            nodes.append(helper.make_node("Tanh", [out], [name], name=f"tanh{layer}"))
    return write_graph(path, nodes, widths[0], widths[-1], weights)


def write_graph(
    path: Path, nodes: list[Any], features: int, results: int, weights: Sequence[Any] = ()
) -> Path:
    """Write a graph from ``input`` to ``output``, both float32 with a dynamic batch."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "graph",
        [value("input", TensorProto.FLOAT, ["batch", features])],
        [value("output", TensorProto.FLOAT, ["batch", results])],
        list(weights),
    )
    domains = {node.domain for node in nodes}
    opsets = [helper.make_opsetid(name, 1 if name else 18) for name in {"", *domains}]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def make_bundle(
    root: Path,
    files: tuple[FileEntry, ...],
    inputs: tuple[TensorSpec, ...] = INPUTS,
    outputs: tuple[TensorSpec, ...] = OUTPUTS,
) -> Bundle:
    """Return a bundle in memory; the files are the caller's."""
    manifest = Manifest(
        schema_version=1, created_utc="2025-01-01T00:00:00+00:00", created_by="test",
        architecture=Architecture(kind="mlp", widths=(FEATURES, 8, 2), activation="tanh"),
        inputs=inputs, outputs=outputs, max_batch=MAX_BATCH, parameters=None,
        nonzero_parameters=None, flops_per_sample=None, golden_source="test", parity={},
        files=files,
    )  # fmt: skip
    return Bundle(root=root, manifest=manifest)


def fake_backend(
    engine: FakeEngine | None, name: str = "tensorrt", version: str = "11.4.0.106"
) -> Backend:
    """Return a backend with the real enums, whose Runtime gives ``engine`` for every plan."""
    module = ModuleType(name)
    copies = ["ILogger", "TensorIOMode", "TensorLocation", "DataType"]
    if name == "tensorrt_rtx":
        copies += ["CudaGraphStrategy", "DynamicShapesKernelSpecializationStrategy"]
    for copied in copies:
        setattr(module, copied, getattr(tensorrt_rtx, copied))

    class Runtime:
        engine_host_code_allowed = False

        def __init__(self, logger):
            self._logger = logger
            module.runtimes.append(self)

        def deserialize_cuda_engine(self, plan):
            if engine is None:
                severity = tensorrt_rtx.ILogger.Severity
                self._logger.log(severity.INFO, "loading")
                self._logger.log(severity.ERROR, "made for another GPU")
            return engine

    module.Runtime = Runtime  # type: ignore[attr-defined]
    module.runtimes = []  # type: ignore[attr-defined]
    return Backend(module=module, name=name, version=version)


class Bench:
    """A bundle with a fake engine and a fake device, and all that a test wants to look at.

    Attributes:
        engine: computes with ONNX Runtime.
        cudart: its device.
        backend: gives ``engine`` for every plan.
        entry: the one file of ``bundle``.
    """

    def __init__(self, root: Path, name: str = "tensorrt") -> None:
        self.onnx_path = write_mlp(root / "model.onnx")
        self.cudart = FakeCudart()
        self.engine = FakeEngine(self.onnx_path, self.cudart, MAX_BATCH)
        self.backend = fake_backend(self.engine, name)
        (root / "model.engine").write_bytes(b"plan")
        self.entry = describe_file(root, "model.engine", "trt", details={"profile": PROFILE})
        self.bundle = make_bundle(root, (self.entry,))
        self._reference = onnxruntime.InferenceSession(
            str(self.onnx_path), providers=["CPUExecutionProvider"]
        )

    def describe(self, **details: Any) -> None:
        """Put further details into the entry of the engine."""
        self.entry = replace(self.entry, details={**self.entry.details, **details})

    def choice(self, **facts: Any) -> EngineChoice:
        """Return what the preflight would choose; ``facts`` are further fields of it."""
        return EngineChoice(
            backend=self.backend, entry=self.entry, plan=b"plan", device=DEVICE, **facts
        )

    def open(self, **options: Any) -> TensorRTRuntime:
        """Open the bundle as it is now; tests change the attributes first.

        Args:
            options: of :class:`TensorRTRuntime`.
        """
        return TensorRTRuntime(self.bundle, self.choice(), self.cudart, **options)

    def held(self) -> int:
        """Return how many things of CUDA and contexts of the engine are not freed yet."""
        return self.cudart.held() + len(self.engine.contexts)

    def expected(self, x: Array) -> Any:
        """Return what ONNX Runtime gives for ``x``."""
        return self._reference.run(None, {"input": x})[0]
