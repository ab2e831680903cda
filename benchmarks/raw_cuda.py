"""The same inference without our wrapper: the vendor's calls and nothing around them.

What ``gpu_probes.py overhead`` compares us with. Inputs go from numpy to pinned memory, to the
device, through the network, back to pinned memory and into a new array; nothing is checked.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.tensors import Array, Feeds, TensorSpec
from spinn_edge.runtimes.base import OpenOptions
from spinn_edge.runtimes.trt.preflight import choose_engine


def raw_call(runtime: str, bundle: Bundle) -> Callable[[Feeds], Array]:
    """Return a function from one sample's feeds to its output, for a model of one of each."""
    if runtime.startswith("trt"):
        return _raw_engine(bundle, graph=runtime == "trt")
    return _raw_session(bundle, graph=runtime == "ort-cuda-graph")


class _Copies:
    """One stream, one input and one output at batch 1, in pinned and in device memory."""

    def __init__(self, bundle: Bundle) -> None:
        from cuda.bindings import runtime as cudart

        self.cudart = cudart
        (self.input,), (self.output,) = bundle.manifest.inputs, bundle.manifest.outputs
        self.stream = self._ok(cudart.cudaStreamCreateWithFlags(cudart.cudaStreamNonBlocking))
        self.host_in, self.host_in_at, self.device_in = self._pair(self.input)
        self.host_out, self.host_out_at, self.device_out = self._pair(self.output)
        self.to_device = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self.to_host = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost

    def around(self, start: Callable[[], Any]) -> Callable[[Feeds], Array]:
        cudart, stream = self.cudart, self.stream
        copy, wait, name = cudart.cudaMemcpyAsync, cudart.cudaStreamSynchronize, self.input.name
        in_bytes, out_bytes = self.host_in.nbytes, self.host_out.nbytes

        def call(feeds: Feeds) -> Array:
            np.copyto(self.host_in, feeds[name])
            copy(self.device_in, self.host_in_at, in_bytes, self.to_device, stream)
            start()
            copy(self.host_out_at, self.device_out, out_bytes, self.to_host, stream)
            wait(stream)
            return self.host_out.copy()

        return call

    def _pair(self, spec: TensorSpec) -> tuple[Array, int, int]:
        shape = spec.at_batch(1)
        assert shape is not None
        size_bytes = int(np.prod(shape)) * spec.dtype.itemsize
        host = int(self._ok(self.cudart.cudaHostAlloc(size_bytes, 0)))
        device = int(self._ok(self.cudart.cudaMalloc(size_bytes)))
        memory = (ctypes.c_byte * size_bytes).from_address(host)
        return np.frombuffer(memoryview(memory), spec.dtype).reshape(shape), host, device

    def _ok(self, answer: tuple[Any, ...]) -> Any:
        error, *results = answer
        if error != self.cudart.cudaError_t.cudaSuccess:
            raise RuntimeError(error.name)
        return results[0] if results else None


def _raw_engine(bundle: Bundle, *, graph: bool) -> Callable[[Feeds], Array]:
    choice = choose_engine(bundle, OpenOptions())
    module = choice.backend.module
    copies = _Copies(bundle)
    cudart = copies.cudart
    keep = [module.Runtime(module.Logger(module.Logger.ERROR))]
    engine = keep[0].deserialize_cuda_engine(choice.plan)
    if choice.backend.is_rtx:
        config = engine.create_runtime_config()
        strategy = module.CudaGraphStrategy
        config.cuda_graph_strategy = strategy.WHOLE_GRAPH_CAPTURE if graph else strategy.DISABLED
        context = engine.create_execution_context(config)
    else:
        context = engine.create_execution_context()
    keep += [engine, context]
    context.set_input_shape(copies.input.name, copies.host_in.shape)
    context.set_tensor_address(copies.input.name, copies.device_in)
    context.set_tensor_address(copies.output.name, copies.device_out)
    handle = int(copies.stream)

    def enqueue(keep: list[Any] = keep) -> None:
        context.execute_async_v3(handle)

    if not graph or choice.backend.is_rtx:
        return copies.around(enqueue)
    enqueue()
    cudart.cudaStreamSynchronize(copies.stream)
    mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
    cudart.cudaStreamBeginCapture(copies.stream, mode)
    enqueue()
    captured = cudart.cudaStreamEndCapture(copies.stream)[1]
    executable = cudart.cudaGraphInstantiate(captured, 0)[1]

    def launch(keep: list[Any] = keep) -> None:
        cudart.cudaGraphLaunch(executable, copies.stream)

    return copies.around(launch)


def _raw_session(bundle: Bundle, *, graph: bool) -> Callable[[Feeds], Array]:
    import onnxruntime as ort

    copies = _Copies(bundle)
    options = {
        "user_compute_stream": str(int(copies.stream)),
        "use_tf32": "0",
        "enable_cuda_graph": "1" if graph else "0",
    }
    (entry,) = bundle.manifest.files_of("onnx", "fp32")
    ort.preload_dlls()
    session = ort.InferenceSession(
        str(bundle.path_of(entry)), providers=[("CUDAExecutionProvider", options)]
    )
    binding = session.io_binding()
    binding.bind_input(
        copies.input.name, "cuda", 0, np.float32, copies.host_in.shape, copies.device_in
    )
    binding.bind_output(
        copies.output.name, "cuda", 0, np.float32, copies.host_out.shape, copies.device_out
    )
    run_options = ort.RunOptions()
    run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
    return copies.around(lambda: session.run_with_iobinding(binding, run_options))
