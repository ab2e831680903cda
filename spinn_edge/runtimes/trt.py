"""TensorRT engines from a bundle, through ``tensorrt`` or ``tensorrt_rtx``, without PyTorch.

The run path of this file has NOT been executed on a GPU yet. On a machine without one, its logic
is tested against host memory and ONNX Runtime in the place of the device and the engine, and
everything that comes before a device is touched is tested against the real tensorrt_rtx.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError, RuntimeUnavailableError, install_command
from spinn_edge.core.optional import installed_version, require
from spinn_edge.core.tensors import Array, Feeds, TensorSpec, batch_of, check_feeds
from spinn_edge.runtimes.base import Availability, OpenOptions
from spinn_edge.runtimes.cuda_driver import DRIVER_ADVICE, CudaDevice, find_device
from spinn_edge.runtimes.cuda_memory import DeviceMemory
from spinn_edge.runtimes.trt_backend import EXTRAS, RTX, last_words
from spinn_edge.runtimes.trt_engine import (
    EngineChoice,
    choose_engine,
    load_engine,
    profile_batches,
)


def open_trt(bundle: Bundle, options: OpenOptions) -> TensorRTRuntime:
    """Load the engine of ``bundle`` that was built for this machine's GPU.

    Args:
        bundle: checked bundle with at least one ``trt`` file.
        options: nothing in it concerns a GPU.

    Raises:
        BundleError: an engine file is corrupt, or disagrees with the manifest.
        IncompatibleBundleError: engines of another version, or for other GPUs.
        MissingDependencyError: neither package that built them, or no cuda-bindings.
        RuntimeUnavailableError: no engine in the bundle, no driver, no GPU, or TensorRT refused.
    """
    choice = choose_engine(bundle)
    cudart = require("cuda.bindings.runtime", extra=choice.backend.extra)
    return TensorRTRuntime(bundle, choice, cudart)


def probe(
    *,
    installed: Callable[..., str | None] = installed_version,
    find: Callable[[], CudaDevice] = find_device,
) -> Availability:
    """Say whether a TensorRT package and a GPU are here, importing nothing heavy."""
    version = installed("tensorrt-rtx", "tensorrt")
    if version is None:
        return Availability(
            version=None,
            reason="neither tensorrt-rtx nor tensorrt is installed",
            install=install_command(EXTRAS[RTX]),
        )
    if installed("cuda-bindings") is None:
        return Availability(
            version=version,
            reason="cuda-bindings is not installed",
            install=install_command(EXTRAS[RTX]),
        )
    try:
        find()
    except RuntimeUnavailableError as exc:
        return Availability(version=version, reason=str(exc), install=DRIVER_ADVICE)
    return Availability(version=version)


class TensorRTRuntime:
    """One engine, one execution context, one stream; buffers are kept between calls.

    Attributes:
        inputs: of the manifest, which the engine was checked against.
        outputs: likewise.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __init__(self, bundle: Bundle, choice: EngineChoice, cudart: Any) -> None:
        """Deserialize the engine and make its context.

        Args:
            bundle: says names, shapes and dtypes.
            choice: what :func:`choose_engine` found.
            cudart: ``cuda.bindings.runtime``, or a fake with the same functions.

        Raises:
            BundleError: the engine's tensors or its profile disagree with the manifest.
            RuntimeUnavailableError: TensorRT or CUDA refused.
        """
        self.inputs = bundle.manifest.inputs
        self.outputs = bundle.manifest.outputs
        self._backend = choice.backend
        self._batches = profile_batches(bundle, choice.entry)
        self._loaded = load_engine(choice, self.inputs, self.outputs)
        try:
            self._memory = DeviceMemory(cudart)  # last: nothing after it can fail and leak it
        except InferenceError as exc:
            raise RuntimeUnavailableError(f"CUDA cannot be used: {exc}\n{DRIVER_ADVICE}") from exc
        self._input_shapes: dict[str, tuple[int, ...]] = {}
        self._output_shapes: dict[str, tuple[int, ...]] = {}
        self._bound = self._has_run = False
        self._open = True

    def bind(self, feeds: Feeds) -> None:
        """Check ``feeds`` (host arrays, shape (batch, ...)) and copy them to the device.

        Returns when the copies have ended, so the caller may change its arrays at once.

        Raises:
            InferenceError: a name, shape or dtype does not fit, the batch is outside the engine's
                profile, or CUDA refused.

        Source: CUDA Runtime API, "API synchronization behavior": an asynchronous copy from
        pageable memory may, but need not, return before the memory was read.
        """
        self._require_open()
        check_feeds(self.inputs, feeds)
        self._check_batch(batch_of(self.inputs, feeds))
        self._bound = self._has_run = False  # until all of this has worked
        shapes = {spec.name: feeds[spec.name].shape for spec in self.inputs}
        if shapes != self._input_shapes:
            self._set_shapes(shapes)
        contiguous = {spec.name: np.ascontiguousarray(feeds[spec.name]) for spec in self.inputs}
        for name, array in contiguous.items():
            self._memory.upload(name, array)
        self._memory.synchronize()
        self._bound = True

    def run(self) -> None:
        """Start one inference on the bound inputs; returns before it ends.

        Raises:
            InferenceError: nothing is bound, or TensorRT refused.
        """
        self._require_bound()
        if not self._loaded.context.execute_async_v3(int(self._memory.stream)):
            raise InferenceError(self._refusal("TensorRT refused to run"))
        self._has_run = True

    def sync(self) -> None:
        """Block until every started inference has ended.

        Raises:
            InferenceError: one of them failed.
        """
        self._require_open()
        self._memory.synchronize()

    def fetch(self) -> dict[str, Array]:
        """Copy the outputs to new host arrays that no later run overwrites.

        Raises:
            InferenceError: nothing has run, or CUDA refused.
        """
        self._require_bound()
        if not self._has_run:
            raise InferenceError("nothing has run; call run after bind")
        arrays = {
            spec.name: np.empty(self._output_shapes[spec.name], spec.dtype) for spec in self.outputs
        }
        for name, array in arrays.items():
            self._memory.download(name, array)
        self._memory.synchronize()
        return arrays

    def close(self) -> None:
        """Free the context, the engine and the device memory; a second call does nothing.

        Raises:
            InferenceError: CUDA refused something, after everything was tried.
        """
        if not self._open:
            return
        self._open = self._bound = False
        try:
            self._memory.synchronize()  # nothing may be in flight when its context goes
        finally:
            self._loaded.free()
            self._memory.close()

    def _set_shapes(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self._input_shapes = {}  # so that a refusal half-way is not taken for success next time
        context = self._loaded.context
        for spec in self.inputs:
            if not context.set_input_shape(spec.name, shapes[spec.name]):
                raise InferenceError(
                    self._refusal(f"TensorRT refused {shapes[spec.name]} for input '{spec.name}'")
                )
        self._output_shapes = {
            spec.name: tuple(context.get_tensor_shape(spec.name)) for spec in self.outputs
        }
        known = shapes | self._output_shapes
        for spec in (*self.inputs, *self.outputs):
            if min(known[spec.name], default=0) < 0:
                raise InferenceError(
                    f"the shape of '{spec.name}' depends on data, which TensorRT "
                    "cannot tell before it runs"
                )
            size_bytes = math.prod(known[spec.name]) * spec.dtype.itemsize
            address = self._memory.reserve(spec.name, size_bytes)
            if not context.set_tensor_address(spec.name, address):
                raise InferenceError(self._refusal(f"TensorRT refused a buffer for '{spec.name}'"))
        self._input_shapes = shapes

    def _check_batch(self, batch: int) -> None:
        smallest, largest = self._batches
        if not smallest <= batch <= largest:
            raise InferenceError(
                f"{batch} samples given, the engine's profile allows {smallest}..{largest}; "
                "split the batch, or export again with a larger --max-batch"
            )

    def _require_open(self) -> None:
        if not self._open:
            raise InferenceError("the runtime was closed; open the bundle again")

    def _require_bound(self) -> None:
        self._require_open()
        if not self._bound:
            raise InferenceError("no inputs are bound; call bind first")

    def _refusal(self, what: str) -> str:
        return f"{what}: {last_words(self._backend, 'no reason given')}"
