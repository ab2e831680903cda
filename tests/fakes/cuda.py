"""A CUDA device made of host memory, and an NVIDIA driver made of a dictionary."""

import ctypes
import enum
import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Work = list[tuple[str, Callable[[], object]]]


class CudaError(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorIllegalAddress = 700
    cudaErrorStreamCaptureUnsupported = 900


class Event:
    """When the work before it had ended, in nanoseconds of the fake's own clock."""

    def __init__(self) -> None:
        self.passed_ns: int | None = None


class Graph:
    """Captured work, or what was made of it to be launched."""

    def __init__(self, work: Work) -> None:
        self.work = work


class FakeCudart:
    """``cuda.bindings.runtime`` whose device addresses are host addresses.

    What goes onto a stream waits there until the stream is synchronized, as late as a real
    device might do it: whoever forgets to synchronize reads and writes garbage here. Every piece
    of work takes ``work_ns`` on the fake's clock.

    Attributes:
        live: device buffers by address.
        pinned: pinned host buffers by address.
        streams: what waits on each open stream.
        events: open events.
        graphs: instantiated graphs.
        templates: captured graphs from which one is instantiated.
        calls: names of the functions called, in order; a test may clear it.
        counts: how often each function was called.
        refuse: by function name, which of its calls fail, counted from 1.
        broken_from: number of calls after which every call fails, as after an illegal address.
        work_ns: duration of one kernel or copy.
        last_error: what a refusal left behind for ``cudaGetLastError``.
    """

    cudaStreamNonBlocking = 1
    cudaError_t = CudaError

    class cudaMemcpyKind(enum.IntEnum):
        cudaMemcpyHostToDevice = 1
        cudaMemcpyDeviceToHost = 2

    class cudaStreamCaptureMode(enum.IntEnum):
        cudaStreamCaptureModeGlobal = 0
        cudaStreamCaptureModeThreadLocal = 1

    class cudaGraphNodeType(enum.IntEnum):
        cudaGraphNodeTypeKernel = 0
        cudaGraphNodeTypeMemcpy = 1

    def __init__(self, work_ns: int = 1000) -> None:
        self.live: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.pinned: dict[int, ctypes.Array[ctypes.c_char]] = {}
        self.streams: dict[int, Work] = {}
        self.events: set[Event] = set()
        self.graphs: list[Graph] = []
        self.templates: list[Graph] = []
        self.calls: list[str] = []
        self.counts: Counter[str] = Counter()
        self.refuse: dict[str, set[int]] = {}
        self.broken_from: int | None = None
        self.work_ns = work_ns
        self.last_error = CudaError.cudaSuccess
        self._now_ns = 0
        self._handles = itertools.count(7)
        self._capturing: dict[int, Work] = {}
        self._used_on: dict[object, int] = {}

    def enqueue(
        self,
        work: Callable[[], object],
        kind: str = "Kernel",
        stream: int | None = None,
        uses: Iterable[object] = (),
    ) -> None:
        """Put work of a fake engine onto a stream, or into the graph that is being captured.

        Args:
            work: what to do.
            kind: name of a graph node's type.
            stream: the newest one when None.
            uses: buffers and graphs that must live until then.
        """
        stream = max(self.streams) if stream is None else stream
        self._used_on.update(dict.fromkeys(uses, stream))
        self._capturing.get(stream, self.streams[stream]).append((kind, work))

    def is_capturing(self, stream: int) -> bool:
        """True between begin and end of a capture."""
        return stream in self._capturing

    def read(self, address: int, size_bytes: int) -> bytes:
        """Return what a device buffer holds; nothing beyond its end is touched."""
        block = self.live[address]
        assert size_bytes <= len(block), "a read beyond the end of a buffer"
        return ctypes.string_at(block, size_bytes)

    def write(self, address: int, content: bytes) -> None:
        """Fill a device buffer; nothing beyond its end is touched."""
        block = self.live[address]
        assert len(content) <= len(block), "a write beyond the end of a buffer"
        ctypes.memmove(block, content, len(content))

    def held(self) -> int:
        """Return how many buffers, streams, events and graphs are not freed yet."""
        kinds = (
            *(self.live, self.pinned, self.streams, self.events),
            *(self.graphs, self.templates),
        )
        return sum(len(kind) for kind in kinds)

    def cudaGetLastError(self):
        error, self.last_error = self.last_error, CudaError.cudaSuccess
        return (error,)

    def cudaStreamCreateWithFlags(self, flags):
        if error := self._note("cudaStreamCreateWithFlags"):
            return error, None
        assert flags == self.cudaStreamNonBlocking
        handle = next(self._handles)
        self.streams[handle] = []
        return CudaError.cudaSuccess, handle

    def cudaStreamDestroy(self, stream):
        error = self._note("cudaStreamDestroy")
        del self.streams[stream]
        return (error,)

    def cudaStreamSynchronize(self, stream):
        error = self._note("cudaStreamSynchronize")
        queue = self.streams[stream]
        assert not self.is_capturing(stream), "a wait cannot be captured"
        self.streams[stream] = []
        if not error:
            for kind, work in queue:
                self._now_ns += self.work_ns if kind != "Event" else 0
                work()
        return (error,)

    def cudaMalloc(self, size_bytes):
        return self._allocate("cudaMalloc", size_bytes, self.live)

    def cudaFree(self, pointer):
        error = self._note("cudaFree")
        self._assert_idle(pointer, "a buffer was freed while work was in flight")
        del self.live[pointer]
        return (error,)

    def cudaHostAlloc(self, size_bytes, flags):
        assert flags == 0
        return self._allocate("cudaHostAlloc", size_bytes, self.pinned)

    def cudaFreeHost(self, pointer):
        error = self._note("cudaFreeHost")
        self._assert_idle(pointer, "a buffer was freed while work was in flight")
        del self.pinned[pointer]
        return (error,)

    def cudaMemcpyAsync(self, target, source, size_bytes, kind, stream):
        if error := self._note("cudaMemcpyAsync"):
            return (error,)
        upload = kind == self.cudaMemcpyKind.cudaMemcpyHostToDevice
        device, host = (target, source) if upload else (source, target)
        assert size_bytes <= len(self.live[device]), "a copy beyond the end of a buffer"
        assert size_bytes <= len(self.pinned[host]), "a copy beyond the end of pinned memory"
        self.enqueue(
            lambda: ctypes.memmove(target, source, size_bytes), "Memcpy", stream, (device, host)
        )
        return (CudaError.cudaSuccess,)

    def cudaEventCreate(self):
        if error := self._note("cudaEventCreate"):
            return error, None
        event = Event()
        self.events.add(event)
        return CudaError.cudaSuccess, event

    def cudaEventRecord(self, event, stream):
        error = self._note("cudaEventRecord")
        assert event in self.events
        event.passed_ns = None
        self.enqueue(lambda: setattr(event, "passed_ns", self._now_ns), "Event", stream)
        return (error,)

    def cudaEventElapsedTime(self, first, second):
        if error := self._note("cudaEventElapsedTime"):
            return error, None
        assert first.passed_ns is not None, "the first event was not waited for"
        assert second.passed_ns is not None, "the second event was not waited for"
        return error, (second.passed_ns - first.passed_ns) / 1e6

    def cudaEventDestroy(self, event):
        error = self._note("cudaEventDestroy")
        self.events.remove(event)
        return (error,)

    def cudaStreamBeginCapture(self, stream, mode):
        if error := self._note("cudaStreamBeginCapture"):
            return (error,)
        assert stream in self.streams
        assert not self.is_capturing(stream)
        assert mode == self.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._capturing[stream] = []
        return (CudaError.cudaSuccess,)

    def cudaStreamEndCapture(self, stream):
        error = self._note("cudaStreamEndCapture")
        graph = Graph(self._capturing.pop(stream))
        if error:
            return error, None
        self.templates.append(graph)
        return error, graph

    def cudaGraphGetNodes(self, graph, room=0):
        if error := self._note("cudaGraphGetNodes"):
            return error, None, None
        assert graph in self.templates
        return error, [kind for kind, _ in graph.work][:room], len(graph.work)

    def cudaGraphNodeGetType(self, node):
        types = self.cudaGraphNodeType
        kernel = node == "Kernel"
        return self._note("cudaGraphNodeGetType"), (
            types.cudaGraphNodeTypeKernel if kernel else types.cudaGraphNodeTypeMemcpy
        )

    def cudaGraphInstantiate(self, graph, flags):
        if error := self._note("cudaGraphInstantiate"):
            return error, None
        assert flags == 0
        executable = Graph(list(graph.work))
        self.graphs.append(executable)
        return CudaError.cudaSuccess, executable

    def cudaGraphDestroy(self, graph):
        error = self._note("cudaGraphDestroy")
        self.templates.remove(graph)
        return (error,)

    def cudaGraphLaunch(self, executable, stream):
        if error := self._note("cudaGraphLaunch"):
            return (error,)
        assert executable in self.graphs, "a graph that was freed"
        self._used_on[executable] = stream
        self.streams[stream].extend(executable.work)
        return (CudaError.cudaSuccess,)

    def cudaGraphExecDestroy(self, executable):
        error = self._note("cudaGraphExecDestroy")
        self._assert_idle(executable, "a graph was freed while work was in flight")
        self.graphs.remove(executable)
        return (error,)

    def _allocate(self, function, size_bytes, where):
        if error := self._note(function):
            return error, None
        assert not self._capturing, "an allocation cannot be captured"
        block = ctypes.create_string_buffer(b"\xff" * size_bytes, size_bytes)  # NaN, never zeros
        where[ctypes.addressof(block)] = block
        return CudaError.cudaSuccess, ctypes.addressof(block)

    def _assert_idle(self, thing: object, words: str) -> None:
        stream = self._used_on.pop(thing, None)
        assert not self.streams.get(stream or 0), words

    def _note(self, function: str) -> CudaError:
        assert not self.last_error, f"{self.last_error.name} was left behind for others to find"
        self.calls.append(function)
        self.counts[function] += 1
        if self.broken_from is not None and self.counts.total() > self.broken_from:
            self.last_error = CudaError.cudaErrorIllegalAddress
        elif self.counts[function] in self.refuse.get(function, ()):
            self.last_error = CudaError.cudaErrorMemoryAllocation
        return self.last_error


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
