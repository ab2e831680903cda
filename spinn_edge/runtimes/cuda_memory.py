"""Device buffers and one stream, through ``cuda.bindings.runtime``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spinn_edge.core.errors import InferenceError
from spinn_edge.core.tensors import Array


@dataclass(frozen=True, slots=True)
class _Buffer:
    pointer: int
    bytes: int


class DeviceMemory:
    """Named device buffers and the stream that every copy and every inference goes through.

    Attributes:
        stream: handle of the stream; None after :meth:`close`.
    """

    def __init__(self, cudart: Any) -> None:
        """Create the stream; no buffer yet.

        Args:
            cudart: ``cuda.bindings.runtime``, or a fake with the same functions.

        Raises:
            InferenceError: CUDA refused.
        """
        self._cudart = cudart
        self._buffers: dict[str, _Buffer] = {}
        self.stream = self._call("cudaStreamCreateWithFlags", cudart.cudaStreamNonBlocking)

    def reserve(self, name: str, size_bytes: int) -> int:
        """Return the device address of a buffer of at least ``size_bytes``, growing it if needed.

        Growing moves the buffer and loses what it held.

        Raises:
            InferenceError: out of memory, or CUDA refused; the buffer is then gone.
        """
        held = self._buffers.get(name)
        if held is not None and held.bytes >= size_bytes:
            return held.pointer
        if held is not None:
            self.synchronize()  # work that was started may still use it
            del self._buffers[name]
            self._call("cudaFree", held.pointer)
        pointer = int(self._call("cudaMalloc", size_bytes))
        self._buffers[name] = _Buffer(pointer, size_bytes)
        return pointer

    def upload(self, name: str, array: Array) -> None:
        """Start the copy of a contiguous host array to the buffer ``name``.

        The array must stay alive and unchanged until :meth:`synchronize`.

        Raises:
            InferenceError: CUDA refused.
        """
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(self._buffers[name].pointer, array.ctypes.data, array.nbytes, kind)

    def download(self, name: str, array: Array) -> None:
        """Start the copy of the buffer ``name`` to a contiguous host array.

        The array is filled after :meth:`synchronize`.

        Raises:
            InferenceError: CUDA refused.
        """
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(array.ctypes.data, self._buffers[name].pointer, array.nbytes, kind)

    def synchronize(self) -> None:
        """Block until everything that was started on the stream has ended.

        Raises:
            InferenceError: something on the stream failed.
        """
        self._call("cudaStreamSynchronize", self.stream)

    def close(self) -> None:
        """Free every buffer and the stream; a second call does nothing.

        The caller synchronizes first.

        Raises:
            InferenceError: the first refusal, after everything was tried.
        """
        handles = [("cudaFree", buffer.pointer) for buffer in self._buffers.values()]
        if self.stream is not None:
            handles.append(("cudaStreamDestroy", self.stream))
        self._buffers.clear()
        self.stream = None
        refusals = []
        for function, handle in handles:
            try:
                self._call(function, handle)
            except InferenceError as exc:
                refusals.append(exc)
        if refusals:
            raise refusals[0]

    def _copy(self, target: int, source: int, size_bytes: int, kind: Any) -> None:
        self._call("cudaMemcpyAsync", target, source, size_bytes, kind, self.stream)

    def _call(self, function: str, *arguments: Any) -> Any:
        error, *results = getattr(self._cudart, function)(*arguments)
        if int(error) != 0:
            raise InferenceError(f"{function} failed: {error.name} ({int(error)})")
        return results[0] if results else None
