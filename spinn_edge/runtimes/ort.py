"""ONNX Runtime on CPU or CUDA, with inputs and outputs bound to buffers that are reused."""

from __future__ import annotations

from typing import Any

import numpy as np

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import (
    BundleError,
    InferenceError,
    RuntimeUnavailableError,
    UsageError,
    first_line,
    install_command,
)
from spinn_edge.core.optional import installed_version, require
from spinn_edge.core.tensors import Array, Feeds, TensorSpec, batch_of, check_feeds
from spinn_edge.runtimes.base import Availability, OpenOptions, only_file

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


class OnnxRuntime:
    """Runs one ONNX file with exactly one execution provider at the head of the list.

    Host buffers belong to this object. Binding a batch of the size of the last one copies the
    samples in and nothing else.
    """

    def __init__(self, session: Any, outputs: tuple[TensorSpec, ...]) -> None:
        """Wrap an open session.

        Args:
            session: ``onnxruntime.InferenceSession``.
            outputs: specs from the manifest, in the session's order.
        """
        self.inputs = tuple(spec_of(node) for node in session.get_inputs())
        self.outputs = outputs
        self._session: Any = session
        self._binding = session.io_binding()
        self._device_outputs: list[str] = []
        self._inputs: dict[str, Array] = {}
        self._outputs: dict[str, Array] = {}
        self._has_run = False

    def bind(self, feeds: Feeds) -> None:
        if self._session is None:
            raise InferenceError("the runtime was closed; open the bundle again")
        check_feeds(self.inputs, feeds)
        if any(
            spec.name not in self._inputs or self._inputs[spec.name].shape != feeds[spec.name].shape
            for spec in self.inputs
        ):
            self._allocate(feeds)
        for name, buffer in self._inputs.items():
            np.copyto(buffer, feeds[name])
        self._has_run = False

    def run(self) -> None:
        if self._session is None or not self._inputs:
            raise InferenceError("nothing is bound: call bind first, and not after close")
        for name in self._device_outputs:  # else the last run's arrays stay bound, with their sizes
            self._binding.bind_output(name)
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as exc:  # onnxruntime raises its own pybind types
            raise InferenceError(f"ONNX Runtime failed: {first_line(exc)}") from exc
        self._has_run = True

    def sync(self) -> None:
        self._binding.synchronize_outputs()

    def fetch(self) -> dict[str, Array]:
        if not self._has_run:
            raise InferenceError("nothing has run: call run after bind, and not after close")
        if not self._device_outputs:
            return {name: buffer.copy() for name, buffer in self._outputs.items()}
        arrays = self._binding.copy_outputs_to_cpu()
        return dict(zip(self._device_outputs, arrays, strict=True))

    def close(self) -> None:
        if self._session is not None:
            self._binding.clear_binding_inputs()
            self._binding.clear_binding_outputs()
        self._session, self._has_run = None, False
        self._inputs, self._outputs = {}, {}

    def _allocate(self, feeds: Feeds) -> None:
        """Make host buffers of the feeds' shapes and bind them by address."""
        batch = batch_of(self.inputs, feeds)
        self._inputs = {
            spec.name: np.empty(feeds[spec.name].shape, spec.dtype) for spec in self.inputs
        }
        for name, buffer in self._inputs.items():
            self._binding.bind_input(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)
        shapes = {spec.name: spec.at_batch(batch) for spec in self.outputs}
        if any(shape is None for shape in shapes.values()):
            # Another axis is dynamic: only onnxruntime knows the size, so it allocates.
            self._device_outputs = [spec.name for spec in self.outputs]
            for name in self._device_outputs:
                self._binding.bind_output(name)
            return
        self._outputs = {
            spec.name: np.empty(shapes[spec.name] or (), spec.dtype) for spec in self.outputs
        }
        for name, buffer in self._outputs.items():
            self._binding.bind_output(
                name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data
            )


def open_cpu(bundle: Bundle, options: OpenOptions) -> OnnxRuntime:
    """Open the bundle's ONNX file on the CPU.

    Raises:
        MissingDependencyError: onnxruntime is not installed.
        RuntimeUnavailableError: the bundle has no ONNX file.
        BundleError: the file cannot be loaded.
    """
    return _open(bundle, options, CPU)


def open_cuda(bundle: Bundle, options: OpenOptions) -> OnnxRuntime:
    """Open the bundle's ONNX file on the first CUDA device; host buffers are copied by the session.

    Raises:
        MissingDependencyError: onnxruntime is not installed.
        RuntimeUnavailableError: no CUDA build, no driver, or onnxruntime loaded another provider.
        BundleError: the file cannot be loaded.
    """
    ort = require("onnxruntime", extra="ort-gpu")
    if (found := probe_cuda()).reason is not None:
        raise RuntimeUnavailableError(f"{found.reason}; {found.install}")
    ort.preload_dlls()  # CUDA libraries that came with torch or as wheels
    return _open(bundle, options, CUDA)


def probe_cpu() -> Availability:
    """Say whether onnxruntime is installed."""
    version = installed_version("onnxruntime", "onnxruntime-gpu")
    if version is None:
        return Availability(
            version=None, reason="onnxruntime is not installed", install=install_command("ort")
        )
    return Availability(version=version)


def probe_cuda() -> Availability:
    """Say whether a CUDA build of onnxruntime and an NVIDIA driver are here."""
    from spinn_edge.runtimes.cuda_driver import find_device

    version = installed_version("onnxruntime-gpu", "onnxruntime")
    install = install_command("ort-gpu")
    if version is None:
        return Availability(version=None, reason="onnxruntime is not installed", install=install)
    if CUDA not in require("onnxruntime", extra="ort-gpu").get_available_providers():
        return Availability(
            version=version,
            reason="the installed onnxruntime is a CPU build",
            install=f"pip uninstall onnxruntime && {install}",
        )
    try:
        find_device()
    except RuntimeUnavailableError as exc:
        return Availability(version=version, reason=str(exc), install="an NVIDIA driver")
    return Availability(version=version)


def spec_of(node: Any) -> TensorSpec:
    """Return the spec of an onnxruntime ``NodeArg``."""
    if node.type not in _DTYPES:
        raise BundleError(f"tensor '{node.name}' has type {node.type}, which numpy cannot hold")
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return TensorSpec(node.name, shape, np.dtype(_DTYPES[node.type]))


def _open(bundle: Bundle, options: OpenOptions, provider: str) -> OnnxRuntime:
    ort = require("onnxruntime", extra="ort")
    if options.threads < 1:
        raise UsageError(f"threads must be at least 1, got {options.threads}")
    path = bundle.path_of(only_file(bundle, "onnx"))
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3  # errors only: they become exceptions of ours
    try:
        session = ort.InferenceSession(str(path), settings, providers=[provider])
    except Exception as exc:  # onnxruntime raises its own pybind types
        raise BundleError(f"{path} cannot be loaded by ONNX Runtime: {first_line(exc)}") from exc
    if (loaded := session.get_providers()[0]) != provider:
        raise RuntimeUnavailableError(
            f"asked for {provider}, onnxruntime loaded {loaded}; nothing was run"
        )
    return OnnxRuntime(session, bundle.manifest.outputs)
