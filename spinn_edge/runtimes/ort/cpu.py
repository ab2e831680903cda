"""ONNX Runtime on the CPU, with inputs and outputs bound to buffers that are reused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError, first_line, install_command
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.optional import installed_version, require
from spinn_edge.core.tensors import Array, Feeds, TensorSpec, are_as_before, batch_of, check_feeds
from spinn_edge.runtimes.base import Availability, OpenOptions, RuntimeFacts, only_file
from spinn_edge.runtimes.ort.session import CPU, open_session, spec_of

HALF_ON_CPU = (
    "ONNX Runtime's CPU provider computes this float16 file in float32 "
    "(seen on x86-64, onnxruntime 1.31.1): half the bytes on disk, the speed of float32"
)

INT8_BY_FORM = {
    "dynamic": "this int8 file takes its ranges from each batch, so a row's outputs depend a "
    "little on the rows beside it",
    "weight-only": "this int8 file keeps its weights alone in 8 bits; ONNX Runtime computes it "
    "in float32",
}
"""What belongs beside figures of an int8 file, by the form that the manifest says."""


class OnnxRuntime:
    """Runs one ONNX file on the CPU provider.

    Host buffers belong to this object. Binding a batch of the size of the last one copies the
    samples in and nothing else.
    """

    def __init__(
        self, session: Any, outputs: tuple[TensorSpec, ...], facts: RuntimeFacts | None = None
    ) -> None:
        """Wrap an open session.

        Args:
            session: ``onnxruntime.InferenceSession``.
            outputs: specs from the manifest, in the session's order.
            facts: what was loaded.
        """
        self.inputs = tuple(spec_of(node) for node in session.get_inputs())
        self.outputs = outputs
        self.facts = facts or RuntimeFacts()
        self._session: Any = session
        self._binding = session.io_binding()
        self._device_outputs: list[str] = []
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._inputs: dict[str, Array] = {}
        self._outputs: dict[str, Array] = {}
        self._has_run = False

    def bind(self, feeds: Feeds) -> None:
        if self._session is None:
            raise InferenceError("the runtime was closed; open the bundle again")
        if not are_as_before(self.inputs, self._shapes, feeds):
            check_feeds(self.inputs, feeds)
            self._shapes = {}  # until the buffers are there
            self._allocate(feeds)
            self._shapes = {name: buffer.shape for name, buffer in self._inputs.items()}
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
        self._inputs, self._outputs, self._shapes = {}, {}, {}

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

    A float16 file is computed in float32. With onnxruntime 1.31.1 on an x86-64 that has float16
    instructions (avx512_fp16), the optimised graph holds its weights as float32 and its Gemm and
    Tanh as one float32 ``FusedGemm``; activations are not even rounded to float16 in between. So
    its outputs are nearer to float32's than a GPU's are, and it is no faster.

    Raises:
        MissingDependencyError: onnxruntime is not installed.
        RuntimeUnavailableError: the bundle has no ONNX file of that precision.
        BundleError: the file cannot be loaded.
        UsageError: fewer than one thread.
    """
    ort = require("onnxruntime", extra="ort")
    file = only_file(bundle, "onnx", options.precision)
    session = open_session(
        ort, bundle.path_of(file), CPU, threads=options.threads, spinning=options.spinning
    )
    facts = RuntimeFacts(file=file.path, notices=_notices(file))
    return OnnxRuntime(session, bundle.manifest.outputs, facts)


def _notices(file: FileEntry) -> tuple[str, ...]:
    if file.precision == "fp16":
        return (HALF_ON_CPU,)
    made = file.details.get("quantization")
    form = made.get("form") if isinstance(made, Mapping) else None
    return (INT8_BY_FORM[form],) if form in INT8_BY_FORM else ()


def probe_cpu() -> Availability:
    """Say whether onnxruntime is installed."""
    version = installed_version("onnxruntime", "onnxruntime-gpu")
    if version is None:
        return Availability(
            version=None, reason="onnxruntime is not installed", install=install_command("ort")
        )
    return Availability(version=version)
