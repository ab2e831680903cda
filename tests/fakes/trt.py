"""A TensorRT engine made of ONNX Runtime, small ONNX files, and bundles around them."""

import itertools
import math
from collections.abc import Sequence
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
from spinn_edge.runtimes.trt import TensorRTRuntime
from spinn_edge.runtimes.trt_backend import Backend
from spinn_edge.runtimes.trt_engine import EngineChoice
from tests.fakes.cuda import FakeCudart

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


class FakeEngine:
    """ICudaEngine and IExecutionContext in one, computing with ONNX Runtime on ``cudart``.

    Attributes:
        names: tensors, inputs first.
        dtype: of every tensor, as TensorRT names it.
        shape_calls: number of ``set_input_shape`` calls.
        refuse: names of methods that answer False or None.
    """

    def __init__(self, onnx_path: Path, cudart: FakeCudart, max_batch: int = MAX_BATCH) -> None:
        self._session = onnxruntime.InferenceSession(
            str(onnx_path), providers=["CPUExecutionProvider"]
        )
        self._inputs = {tensor.name: tensor for tensor in self._session.get_inputs()}
        self._outputs = {tensor.name: tensor for tensor in self._session.get_outputs()}
        self._cudart = cudart
        self._max_batch = max_batch
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self.names = [*self._inputs, *self._outputs]
        self.dtype = "FLOAT"
        self.location = "DEVICE"
        self.output_shape: tuple[int, ...] | None = None
        self.shape_calls = 0
        self.configs: list[Any] = []
        self.refuse: set[str] = set()

    @property
    def num_io_tensors(self) -> int:
        return len(self.names)

    def get_tensor_name(self, index):
        return self.names[index]

    def get_tensor_mode(self, name):
        mode = tensorrt_rtx.TensorIOMode
        return mode.OUTPUT if name in self._outputs else mode.INPUT

    def get_tensor_dtype(self, name):
        return getattr(tensorrt_rtx.DataType, self.dtype)

    def get_tensor_location(self, name):
        return getattr(tensorrt_rtx.TensorLocation, self.location)

    def create_runtime_config(self):
        return "runtime config"

    def create_execution_context(self, *config):
        self.configs.extend(config)
        return None if "create_execution_context" in self.refuse else self

    def set_input_shape(self, name, shape):
        self.shape_calls += 1
        self._shapes[name] = tuple(shape)
        return "set_input_shape" not in self.refuse and 1 <= shape[0] <= self._max_batch

    def get_tensor_shape(self, name):
        batch = next(iter(self._shapes.values()))[0]
        return self.output_shape or (batch, *self._outputs[name].shape[1:])

    def set_tensor_address(self, name, address):
        self._addresses[name] = address
        return "set_tensor_address" not in self.refuse

    def execute_async_v3(self, stream):
        assert stream in self._cudart.streams
        if "execute_async_v3" in self.refuse:
            return False
        shapes, addresses = dict(self._shapes), dict(self._addresses)  # of this very call
        self._cudart.enqueue(lambda: self._compute(shapes, addresses))
        return True

    def _compute(self, shapes: dict[str, tuple[int, ...]], addresses: dict[str, int]) -> None:
        feeds = {}
        for name, shape in shapes.items():
            content = self._cudart.read(addresses[name], math.prod(shape) * FLOAT32.itemsize)
            feeds[name] = np.frombuffer(content, FLOAT32).reshape(shape)
        results = self._session.run(list(self._outputs), feeds)
        for name, array in zip(self._outputs, results, strict=True):
            self._cudart.write(addresses[name], np.asarray(array).tobytes())


def fake_backend(
    engine: FakeEngine | None, name: str = "tensorrt", version: str = "11.4.0.106"
) -> Backend:
    """Return a backend with the real enums, whose Runtime gives ``engine`` for every plan."""
    module = ModuleType(name)
    for copied in ("ILogger", "TensorIOMode", "TensorLocation", "DataType"):
        setattr(module, copied, getattr(tensorrt_rtx, copied))

    class Runtime:
        def __init__(self, logger):
            self._logger = logger

        def deserialize_cuda_engine(self, plan):
            if engine is None:
                severity = tensorrt_rtx.ILogger.Severity
                self._logger.log(severity.INFO, "loading")
                self._logger.log(severity.ERROR, "made for another GPU")
            return engine

    module.Runtime = Runtime  # type: ignore[attr-defined]
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
        self.engine = FakeEngine(self.onnx_path, self.cudart)
        self.backend = fake_backend(self.engine, name)
        (root / "model.engine").write_bytes(b"plan")
        self.entry = describe_file(root, "model.engine", "trt", details={"profile": PROFILE})
        self.bundle = make_bundle(root, (self.entry,))

    def open(self) -> TensorRTRuntime:
        """Open the bundle as it is now; tests change the attributes first."""
        choice = EngineChoice(backend=self.backend, entry=self.entry, plan=b"plan")
        return TensorRTRuntime(self.bundle, choice, self.cudart)

    def expected(self, x: Array) -> Any:
        """Return what ONNX Runtime gives for ``x``."""
        session = onnxruntime.InferenceSession(
            str(self.onnx_path), providers=["CPUExecutionProvider"]
        )
        return session.run(None, {"input": x})[0]
