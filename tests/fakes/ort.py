"""ONNX Runtime's CUDA provider on a device made of host memory.

The sessions are real and run on the CPU provider. What stands between is a fake of what the CUDA
provider does with a stream: a run waits there until somebody synchronizes, and a graph once
captured is replayed with the addresses and shapes of its first run, whatever is bound by then.
"""

import dataclasses
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from spinn_edge.core.bundle import Bundle, describe_file
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes.base import OpenOptions
from spinn_edge.runtimes.nvidia.driver import CudaDevice
from spinn_edge.runtimes.ort import cuda as ort_cuda
from spinn_edge.runtimes.ort.session import CPU, CUDA
from tests.fakes.cuda import FakeCudart
from tests.fakes.runtime import doubling_bundle

FLOAT, FLOAT32 = TensorProto.FLOAT, np.dtype(np.float32)
GPU = CudaDevice(name="NVIDIA RTX A2000", compute_capability="8.6", driver_version="13.0")
WEIGHTS = np.random.default_rng(0).standard_normal((3, 4)).astype(FLOAT32)
KERNELS = 2  # that the fake puts onto the stream for one run


class Binding:
    """What was bound last; a run takes a copy of it."""

    def __init__(self, session):
        self._session = session
        self.inputs: dict[str, tuple[Any, ...]] = {}
        self.outputs: dict[str, tuple[Any, ...]] = {}
        self.ran: Any = None

    def bind_input(self, name, *place):
        self.inputs[name] = place

    def bind_output(self, name, *place):
        self.outputs[name] = place

    def clear_binding_inputs(self):
        self.inputs.clear()

    def clear_binding_outputs(self):
        self.outputs.clear()

    def copy_outputs_to_cpu(self):
        return self.ran.copy_outputs_to_cpu()


class Session:
    """A real session whose runs go onto the stream of ``cudart``."""

    def __init__(self, session, ort):
        self._session, self._ort = session, ort
        self._captured = {}
        self.ids, self.released = [], []

    def __getattr__(self, name):
        return getattr(self._session, name)

    def get_providers(self):
        return [self._ort.loads, CPU]

    def get_provider_options(self):
        return {self._ort.loads: self._ort.taken}

    def io_binding(self):
        return Binding(self._session)

    def release_captured_graph(self, graph_id):
        self.released.append(graph_id)
        del self._captured[str(graph_id)]

    def run_with_iobinding(self, binding, options):
        if self._ort.refuse_runs:
            raise RuntimeError(self._ort.refuse_runs)
        assert options.get_run_config_entry("disable_synchronize_execution_providers") == "1"
        graph_id = options.get_run_config_entry("gpu_graph_id") if self._ort.graphs else "-1"
        self.ids.append(graph_id)
        bound = dict(binding.inputs), dict(binding.outputs)
        if graph_id != "-1":
            bound = self._captured.setdefault(graph_id, bound)
        real = self._session.io_binding()
        for name, place in bound[0].items():
            assert place[-1] in self._ort.cudart.live, "an input that is no device memory"
            real.bind_input(name, *place)
        for name, place in bound[1].items():
            assert len(place) == 2 or place[-1] in self._ort.cudart.live
            real.bind_output(name, *place)
        binding.ran = real
        self._ort.cudart.enqueue(lambda: self._session.run_with_iobinding(real, options))
        for _ in range(KERNELS - 1):
            self._ort.cudart.enqueue(lambda: None)


class FakeOrt:
    """The module ``onnxruntime`` of a CUDA build.

    Attributes:
        loads: provider that its sessions say they run on.
        refuse: error of the next session.
        refuse_runs: text of an error of every run.
        taken: provider options that it says it took; None for what it was given.
    """

    SessionOptions, RunOptions = onnxruntime.SessionOptions, onnxruntime.RunOptions
    __version__ = "1.31.1"

    def __init__(self, cudart):
        self.cudart, self.loads = cudart, CPU
        self.refuse, self.refuse_runs, self.taken = None, "", None
        self.sessions, self.options, self.graphs = [], {}, False

    def get_available_providers(self):
        return [CUDA, CPU]

    def InferenceSession(self, path, settings, providers, enable_fallback):
        if self.refuse:
            raise self.refuse
        [(_, self.options)] = providers
        self.graphs = self.options["enable_cuda_graph"] == "1"
        self.taken = self.options if self.taken is None else self.taken
        self.sessions.append(Session(onnxruntime.InferenceSession(path, settings, [CPU]), self))
        return self.sessions[-1]


class Bench:
    """A bundle, a device and a CUDA build of onnxruntime."""

    def __init__(self, root):
        self.cudart = FakeCudart()
        self.ort = FakeOrt(self.cudart)
        self.bundle = onnx_bundle(
            root,
            [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["y"])],
            ["batch", 3],
            ["batch", 4],
        )

    def open(self, graph=False, **options):
        return ort_cuda.open_on(
            self.bundle, OpenOptions(**options), ort=self.ort, cudart=self.cudart, gpu=GPU,
            graph=graph, provider=CPU, memory="cpu",
        )  # fmt: skip

    @property
    def session(self):
        return self.ort.sessions[-1]


def onnx_bundle(root, nodes, x_shape, y_shape, y_type=FLOAT, dtype=FLOAT32):
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, x_shape)],
        [helper.make_tensor_value_info("y", y_type, y_shape)],
        [numpy_helper.from_array(WEIGHTS, "w")] if "w" in nodes[0].input else [],
    )
    bundle = doubling_bundle(root)
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    onnx.save(model, root / "model.onnx")

    def shape(sizes):
        return tuple(size if isinstance(size, int) else None for size in sizes)

    manifest = dataclasses.replace(
        bundle.manifest,
        files=(describe_file(root, "model.onnx", "onnx"),),
        inputs=(TensorSpec("x", shape(x_shape), FLOAT32),),
        outputs=(TensorSpec("y", shape(y_shape), np.dtype(dtype)),),
    )
    return Bundle(root=root, manifest=manifest)
