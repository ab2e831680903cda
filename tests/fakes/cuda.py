"""A CUDA device made of host memory, and an NVIDIA driver made of a dictionary."""

import ctypes
import enum
from collections.abc import Callable
from dataclasses import dataclass, field


class CudaError(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorIllegalAddress = 700


class FakeCudart:
    """``cuda.bindings.runtime`` whose device addresses are host addresses.

    What goes onto the stream waits there until the stream is synchronized, as late as a real
    device might do it: whoever forgets to synchronize reads and writes garbage here.

    Attributes:
        live: device buffers by address.
        streams: open streams.
        calls: names of the functions called, in order.
        refuse: by function name, which of its calls fail, counted from 1.
    """

    cudaStreamNonBlocking = 1

    class cudaMemcpyKind(enum.IntEnum):
        cudaMemcpyHostToDevice = 1
        cudaMemcpyDeviceToHost = 2

    def __init__(self) -> None:
        self.live: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.streams: set[int] = set()
        self.calls: list[str] = []
        self.refuse: dict[str, set[int]] = {}
        self._queue: list[Callable[[], object]] = []

    def enqueue(self, work: Callable[[], object]) -> None:
        """Put work of a fake engine onto the stream."""
        self._queue.append(work)

    def read(self, address: int, size_bytes: int) -> bytes:
        """Return what a device buffer holds; nothing beyond its end is touched."""
        block = self.live[address]
        assert size_bytes <= len(block), "a read beyond the end of a buffer"
        return block.raw[:size_bytes]

    def write(self, address: int, content: bytes) -> None:
        """Fill a device buffer; nothing beyond its end is touched."""
        block = self.live[address]
        assert len(content) <= len(block), "a write beyond the end of a buffer"
        ctypes.memmove(block, content, len(content))

    def cudaStreamCreateWithFlags(self, flags):
        if error := self._note("cudaStreamCreateWithFlags"):
            return error, None
        assert flags == self.cudaStreamNonBlocking
        self.streams.add(7)
        return CudaError.cudaSuccess, 7

    def cudaStreamDestroy(self, stream):
        error = self._note("cudaStreamDestroy")
        self.streams.remove(stream)
        return (error,)

    def cudaStreamSynchronize(self, stream):
        error = self._note("cudaStreamSynchronize")
        assert stream in self.streams
        queue, self._queue = self._queue, []
        if not error:
            for work in queue:
                work()
        return (error,)

    def cudaMalloc(self, size_bytes):
        if error := self._note("cudaMalloc"):
            return error, None
        block = ctypes.create_string_buffer(size_bytes)
        self.live[ctypes.addressof(block)] = block
        return CudaError.cudaSuccess, ctypes.addressof(block)

    def cudaFree(self, pointer):
        error = self._note("cudaFree")
        assert not self._queue, "a buffer was freed while work was in flight"
        del self.live[pointer]
        return (error,)

    def cudaMemcpyAsync(self, target, source, size_bytes, kind, stream):
        if error := self._note("cudaMemcpyAsync"):
            return (error,)
        assert stream in self.streams
        upload = kind == self.cudaMemcpyKind.cudaMemcpyHostToDevice
        block = self.live[target if upload else source]
        assert size_bytes <= len(block), "a copy beyond the end of a buffer"
        self.enqueue(lambda: ctypes.memmove(target, source, size_bytes))
        return (CudaError.cudaSuccess,)

    def _note(self, function: str) -> CudaError:
        self.calls.append(function)
        if self.calls.count(function) in self.refuse.get(function, ()):
            return CudaError.cudaErrorMemoryAllocation
        return CudaError.cudaSuccess


@dataclass
class FakeDriver:
    """The driver library as ``ctypes`` would load it.

    Attributes:
        devices: number of GPUs.
        capability: compute capability of each.
        refuse: CUresult by function name.
    """

    devices: int = 1
    capability: tuple[int, int] = (8, 6)
    name: bytes = b"NVIDIA RTX A2000"
    version: int = 12080
    refuse: dict[str, int] = field(default_factory=dict)

    def load(self, library_name: str) -> "FakeDriver":
        assert library_name in {"libcuda.so.1", "nvcuda.dll"}
        return self

    def cuInit(self, flags):
        assert flags.value == 0
        return self.refuse.get("cuInit", 0)

    def cuDeviceGetCount(self, count):
        count._obj.value = self.devices
        return self.refuse.get("cuDeviceGetCount", 0)

    def cuDeviceGet(self, device, ordinal):
        device._obj.value = ordinal.value
        return self.refuse.get("cuDeviceGet", 0)

    def cuDeviceGetName(self, buffer, size, device):
        assert size.value == len(buffer) > len(self.name)
        buffer.value = self.name
        return self.refuse.get("cuDeviceGetName", 0)

    def cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = self.capability[{75: 0, 76: 1}[attribute.value]]
        return self.refuse.get("cuDeviceGetAttribute", 0)

    def cuDriverGetVersion(self, version):
        version._obj.value = self.version
        return self.refuse.get("cuDriverGetVersion", 0)
