"""Inputs and outputs of one model on a CUDA device, each with its twin in pinned host memory."""

from __future__ import annotations

import contextlib
import ctypes
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinn_edge.core.errors import InferenceError
from spinn_edge.core.tensors import Array, Feeds, TensorSpec
from spinn_edge.runtimes.base import LEAD_RUNS, DeviceStages
from spinn_edge.runtimes.nvidia.stream import CudaStream

_FIRST, _UPLOADED, _COMPUTED, _DOWNLOADED = range(4)  # events on the stream


@dataclass(frozen=True, slots=True)
class _Pair:
    """Device memory and pinned host memory of one tensor, both as large as ``pinned``."""

    device: int
    host: int
    pinned: Array

    def view(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return the beginning of the pinned memory as an array."""
        size_bytes = math.prod(shape) * dtype.itemsize
        return self.pinned[:size_bytes].view(dtype).reshape(shape)


class CudaBuffers:
    """Buffers that are kept from call to call and grow when a batch needs it.

    Host memory is pinned: the device reads and writes it by itself, and a copy never waits for
    the pages. Everything here goes through one stream.

    Attributes:
        stream: the stream.
    """

    def __init__(
        self, cudart: Any, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
    ) -> None:
        """Make the stream; buffers come with :meth:`resize`.

        Args:
            cudart: ``cuda.bindings.runtime``, or a fake with the same functions.
            inputs: of the model.
            outputs: of the model.

        Raises:
            InferenceError: CUDA refused.
        """
        self.stream = CudaStream(cudart)
        self._inputs = tuple(spec.name for spec in inputs)
        self._outputs = tuple(spec.name for spec in outputs)
        self._dtypes = {spec.name: spec.dtype for spec in (*inputs, *outputs)}
        self._pairs: dict[str, _Pair] = {}
        self._forget_views()
        self._uploading = self._moved = False

    def resize(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Make every buffer large enough for ``shapes`` and take them as the shapes from now on.

        Args:
            shapes: of every input and output.

        Returns:
            True when an address changed since the last call that succeeded. What a buffer held is
            lost then, and so is every CUDA graph that knows the address.

        Raises:
            InferenceError: out of memory, or CUDA refused. Any address may have changed then, and
                nothing can be copied before a call that succeeds.
        """
        self._forget_views()
        for name, shape in shapes.items():
            self._reserve(name, math.prod(shape) * self._dtypes[name].itemsize)
        for name, shape in shapes.items():
            pair = self._pairs[name]
            view = pair.view(shape, self._dtypes[name])
            if name in self._inputs:
                self._staged[name] = view
                self._uploads.append((pair.device, pair.host, view.nbytes))
            else:
                self._results[name] = view
                self._downloads.append((pair.host, pair.device, view.nbytes))
        moved, self._moved = self._moved, False
        return moved

    def address(self, name: str) -> int:
        """Return the device address of a tensor."""
        return self._pairs[name].device

    def stage(self, feeds: Feeds) -> None:
        """Copy the caller's arrays to pinned memory; they are the caller's again at once.

        Raises:
            InferenceError: an earlier copy to the device failed.
        """
        if self._uploading:  # the device may still be reading what stands there
            self.synchronize()
        for name in self._inputs:
            np.copyto(self._staged[name], feeds[name])

    def upload(self) -> None:
        """Start the copies of all inputs to the device.

        Raises:
            InferenceError: CUDA refused.
        """
        self._uploading = True
        for device, host, size_bytes in self._uploads:
            self.stream.copy_to_device(device, host, size_bytes)

    def download(self) -> None:
        """Start the copies of all outputs to pinned memory.

        Raises:
            InferenceError: CUDA refused.
        """
        for host, device, size_bytes in self._downloads:
            self.stream.copy_to_host(host, device, size_bytes)

    def collect(self) -> dict[str, Array]:
        """Wait for everything that was started and return the outputs in arrays of their own.

        Raises:
            InferenceError: something on the stream failed.
        """
        self.synchronize()
        return {name: self._results[name].copy() for name in self._outputs}

    def synchronize(self) -> None:
        """Block until everything that was started has ended.

        Raises:
            InferenceError: something on the stream failed.
        """
        self.stream.synchronize()
        self._uploading = False

    def time_stages(self, run: Callable[[], object]) -> DeviceStages:
        """Copy in, ``run``, copy out, with an event before, between and after.

        ``LEAD_RUNS`` runs come first. Where the host starts kernels more slowly than the device
        ends them all the same, the device's waiting is part of the time of ``run``.

        Args:
            run: starts one inference on the stream.

        Raises:
            InferenceError: CUDA refused, or something on the stream failed.
        """
        stream = self.stream
        self.synchronize()
        for _ in range(LEAD_RUNS):
            run()
        stream.record(_FIRST)
        self.upload()
        stream.record(_UPLOADED)
        run()
        stream.record(_COMPUTED)
        self.download()
        stream.record(_DOWNLOADED)
        self.synchronize()
        return DeviceStages(
            upload_s=stream.elapsed_s(_FIRST, _UPLOADED),
            compute_s=stream.elapsed_s(_UPLOADED, _COMPUTED),
            download_s=stream.elapsed_s(_COMPUTED, _DOWNLOADED),
        )

    def close(self) -> None:
        """Free buffers and stream; a second call does nothing. The caller synchronizes first.

        Raises:
            InferenceError: the first refusal, after everything was tried.
        """
        handles: list[tuple[str, Any]] = []
        for pair in self._pairs.values():
            handles += [("cudaFree", pair.device), ("cudaFreeHost", pair.host)]
        self._forget_views()
        self._pairs.clear()
        try:
            self.stream.call_all(handles)
        finally:
            self.stream.close()

    def _forget_views(self) -> None:
        """Let go of everything that points into buffers which may be freed next."""
        self._staged: dict[str, Array] = {}
        self._results: dict[str, Array] = {}
        self._uploads: list[tuple[int, int, int]] = []
        self._downloads: list[tuple[int, int, int]] = []

    def _reserve(self, name: str, size_bytes: int) -> None:
        held = self._pairs.get(name)
        if held is not None and held.pinned.nbytes >= size_bytes:
            return
        self._moved = True  # told by the next resize that succeeds, which may not be this one
        if held is not None:
            self.synchronize()  # work that was started may still use it
            del self._pairs[name]
            self.stream.call_all([("cudaFree", held.device), ("cudaFreeHost", held.host)])
        device = int(self.stream.call("cudaMalloc", size_bytes))
        try:
            host = int(self.stream.call("cudaHostAlloc", size_bytes, 0))
        except InferenceError:
            with contextlib.suppress(InferenceError):  # the first refusal is the telling one
                self.stream.call("cudaFree", device)
            raise
        self._pairs[name] = _Pair(device, host, _bytes_at(host, size_bytes))


def _bytes_at(address: int, size_bytes: int) -> Array:
    """Return an array over memory that somebody else owns."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * size_bytes).from_address(address))
