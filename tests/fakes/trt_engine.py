"""A TensorRT engine with its contexts and its runtime cache, made of ONNX Runtime."""

import math
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.fakes.cuda import FakeCudart

# Its enums are used; whoever imports this file is skipped without it.
tensorrt_rtx = pytest.importorskip("tensorrt_rtx")

FLOAT32 = np.dtype("float32")


class FakeContext:
    """IExecutionContext that computes with ONNX Runtime, as strict as the documentation allows.

    It may not change after it was captured or while its work waits on a stream, it must have run
    once with its shapes before it is captured, and it must live as long as its graph.
    """

    def __init__(self, engine: "FakeEngine", runtime_config: Any = None) -> None:
        self.engine = engine
        self.runtime_config = runtime_config
        self.profile: int | None = 0 if engine.num_optimization_profiles == 1 else None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._waiting = 0
        self._settled = self._captured = False

    def set_optimization_profile_async(self, profile_index, stream_handle):
        assert stream_handle in self.engine.cudart.streams
        self.profile = profile_index
        return "set_optimization_profile_async" not in self.engine.refuse

    def set_input_shape(self, name, shape):
        self._change()
        self.engine.shape_calls += 1
        self._settled = False
        self._shapes[name] = tuple(shape)
        return (
            "set_input_shape" not in self.engine.refuse and 1 <= shape[0] <= self.engine.max_batch
        )

    def get_tensor_shape(self, name):
        if "get_tensor_shape" in self.engine.refuse:
            raise ValueError("__len__() should return >= 0")  # a Dims of length -1
        batch = next(iter(self._shapes.values()))[0]
        return self.engine.output_shape or (batch, *self.engine.outputs[name].shape[1:])

    def set_tensor_address(self, name, address):
        self._change()
        self._addresses[name] = address
        return "set_tensor_address" not in self.engine.refuse

    def execute_async_v3(self, stream):
        cudart = self.engine.cudart
        capturing = cudart.is_capturing(stream)
        refused = {"execute_async_v3"} | ({"capture"} if capturing else set())
        if refused & self.engine.refuse:
            return False
        assert self.profile is not None, "no profile is selected"
        if capturing:
            assert self.runtime_config is None, "TensorRT for RTX captures by itself"
            assert self._settled, "captured before it had run with these shapes"
            self._captured = True
        else:
            self._waiting += 1
        shapes, addresses = dict(self._shapes), dict(self._addresses)  # of this very call
        alive = weakref.ref(self)

        def work() -> None:
            context = alive()
            assert context is not None, "a context was freed while its work was in flight"
            context._compute(shapes, addresses)
            if not capturing:
                context._waiting -= 1
                context._settled = True

        cudart.enqueue(work, "Kernel", stream, addresses.values())
        for _ in range(self.engine.kernels - 1):
            cudart.enqueue(lambda: None, "Kernel", stream)
        return True

    def _change(self) -> None:
        assert not self._captured, "a context was changed after it was captured"
        assert not self._waiting, "a context was changed while it ran"

    def _compute(self, shapes: dict[str, tuple[int, ...]], addresses: dict[str, int]) -> None:
        feeds = {}
        for name, shape in shapes.items():
            content = self.engine.cudart.read(addresses[name], math.prod(shape) * FLOAT32.itemsize)
            feeds[name] = np.frombuffer(content, FLOAT32).reshape(shape)
        results = self.engine.session.run(list(self.engine.outputs), feeds)
        for name, array in zip(self.engine.outputs, results, strict=True):
            self.engine.cudart.write(addresses[name], np.asarray(array).tobytes())


class FakeRuntimeConfig:
    """IRuntimeConfig of ``tensorrt_rtx``."""

    def __init__(self, engine: "FakeEngine") -> None:
        self._engine = engine
        self.cuda_graph_strategy = tensorrt_rtx.CudaGraphStrategy.DISABLED
        self.dynamic_shapes_kernel_specialization_strategy = (
            tensorrt_rtx.DynamicShapesKernelSpecializationStrategy.LAZY
        )
        self.cache: FakeRuntimeCache | None = None

    def create_runtime_cache(self):
        if "create_runtime_cache" in self._engine.refuse:
            return None
        return FakeRuntimeCache(self._engine)

    def set_runtime_cache(self, cache):
        if "set_runtime_cache" in self._engine.refuse:
            return False
        self.cache = cache
        return True


class FakeRuntimeCache:
    """IRuntimeCache; its kernels are the engine's ``compiled``."""

    def __init__(self, engine: "FakeEngine") -> None:
        self._engine = engine
        self.content = b""

    def deserialize(self, blob):
        if "deserialize" in self._engine.refuse:
            return False
        self.content = bytes(blob)
        return True

    def serialize(self):
        if "serialize" in self._engine.refuse:
            return None
        return memoryview(self._engine.compiled or self.content)


class FakeEngine:
    """ICudaEngine that computes with ONNX Runtime on ``cudart``.

    Attributes:
        names: tensors, inputs first.
        dtype: of every tensor, as TensorRT names it.
        kernels: that one inference launches.
        compiled: what a runtime cache holds at the end; nothing new when empty.
        shape_calls: number of ``set_input_shape`` calls.
        configs: runtime configs that contexts were made with.
        contexts: those that are alive.
        refuse: names of methods that answer False or None; ``capture`` refuses to run while
            the stream is captured.
    """

    def __init__(self, onnx_path: Path, cudart: FakeCudart, max_batch: int) -> None:
        self.session = onnxruntime.InferenceSession(
            str(onnx_path), providers=["CPUExecutionProvider"]
        )
        self.inputs = {tensor.name: tensor for tensor in self.session.get_inputs()}
        self.outputs = {tensor.name: tensor for tensor in self.session.get_outputs()}
        self.cudart = cudart
        self.max_batch = max_batch
        self.names = [*self.inputs, *self.outputs]
        self.dtype = "FLOAT"
        self.location = "DEVICE"
        self.output_shape: tuple[int, ...] | None = None
        self.num_optimization_profiles = 1
        self.kernels = 3
        self.compiled = b""
        self.shape_calls = 0
        self.configs: list[Any] = []
        self.contexts: weakref.WeakSet[FakeContext] = weakref.WeakSet()
        self.refuse: set[str] = set()

    @property
    def num_io_tensors(self) -> int:
        return len(self.names)

    def get_tensor_name(self, index):
        return self.names[index]

    def get_tensor_mode(self, name):
        mode = tensorrt_rtx.TensorIOMode
        return mode.OUTPUT if name in self.outputs else mode.INPUT

    def get_tensor_dtype(self, name):
        return getattr(tensorrt_rtx.DataType, self.dtype)

    def get_tensor_location(self, name):
        return getattr(tensorrt_rtx.TensorLocation, self.location)

    def create_runtime_config(self):
        return FakeRuntimeConfig(self)

    def create_execution_context(self, *config):
        self.configs.extend(config)
        if "create_execution_context" in self.refuse:
            return None
        context = FakeContext(self, *config)
        self.contexts.add(context)
        return context
