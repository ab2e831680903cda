"""One CUDA stream, its events and its graphs, through ``cuda.bindings.runtime``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from spinn_edge.core.errors import InferenceError


@dataclass(frozen=True, slots=True)
class CudaGraph:
    """Work that was captured on a stream and can be launched again with one call.

    Attributes:
        executable: handle of the instantiated graph.
        kernels: kernels in it; copies and memory sets are not counted.
    """

    executable: Any
    kernels: int


class CudaStream:
    """Everything that is started here ends in the order in which it was started.

    A stream belongs to the device that was current when it was made, and that is the first one.

    Attributes:
        handle: address of the stream, as TensorRT and onnxruntime take it; 0 after :meth:`close`.
    """

    def __init__(self, cudart: Any) -> None:
        """Make a stream that does not wait for the default stream.

        Args:
            cudart: ``cuda.bindings.runtime``, or a fake with the same functions.

        Raises:
            InferenceError: CUDA refused.
        """
        self._cudart = cudart
        # What every inference needs is looked up once: it runs in tens of microseconds.
        self._success = cudart.cudaError_t.cudaSuccess
        self._to_device = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._to_host = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy, self._launch = cudart.cudaMemcpyAsync, cudart.cudaGraphLaunch
        self._wait = cudart.cudaStreamSynchronize
        self._events: list[Any] = []
        self._stream = self.call("cudaStreamCreateWithFlags", cudart.cudaStreamNonBlocking)
        self.handle = int(self._stream)

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the CUDA runtime and return what follows its error code.

        Returns:
            None, the one result, or a list of results.

        Raises:
            InferenceError: the code is not ``cudaSuccess``.
        """
        answer = getattr(self._cudart, function)(*arguments)
        self._check(function, answer)
        if len(answer) == 2:
            return answer[1]
        return list(answer[1:]) or None

    def copy_to_device(self, device: int, host: int, size_bytes: int) -> None:
        """Start a copy; the host memory must stay alive and unchanged until it has ended."""
        answer = self._copy(device, host, size_bytes, self._to_device, self._stream)
        self._check("cudaMemcpyAsync", answer)

    def copy_to_host(self, host: int, device: int, size_bytes: int) -> None:
        """Start a copy; the host memory holds it after :meth:`synchronize`."""
        answer = self._copy(host, device, size_bytes, self._to_host, self._stream)
        self._check("cudaMemcpyAsync", answer)

    def synchronize(self) -> None:
        """Block until everything that was started here has ended.

        Raises:
            InferenceError: something on the stream failed.
        """
        self._check("cudaStreamSynchronize", self._wait(self._stream))

    def record(self, number: int) -> None:
        """Put the event ``number`` behind what was started; events are made as they are needed."""
        while len(self._events) <= number:
            self._events.append(self.call("cudaEventCreate"))
        self.call("cudaEventRecord", self._events[number], self._stream)

    def elapsed_s(self, first: int, second: int) -> float:
        """Return the time between two recorded events that have both been passed."""
        between = (self._events[first], self._events[second])
        return float(self.call("cudaEventElapsedTime", *between)) / 1e3  # CUDA counts milliseconds

    def capture(self, work: Callable[[], object]) -> CudaGraph:
        """Record what ``work`` starts on this stream, without running it.

        Args:
            work: starts kernels here and neither allocates nor waits.

        Raises:
            InferenceError: ``work`` did something that cannot be captured, or CUDA refused. The
                stream can be used on.

        Source: CUDA Programming Guide, "CUDA Graphs, Creating a Graph Using Stream Capture". The
        thread-local mode lets other threads of the application allocate meanwhile.
        """
        mode = self._cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self.call("cudaStreamBeginCapture", self._stream, mode)
        try:
            work()
        except BaseException:
            # The stream must leave capture mode. What it gives back is no graph to be used, and
            # the first error is the telling one.
            with contextlib.suppress(InferenceError):
                self.call("cudaGraphDestroy", self.call("cudaStreamEndCapture", self._stream))
            raise
        graph = self.call("cudaStreamEndCapture", self._stream)
        unfreed = [("cudaGraphDestroy", graph)]
        try:
            kernels = self._count_kernels(graph)
            executable = self.call("cudaGraphInstantiate", graph, 0)
            unfreed = [("cudaGraphExecDestroy", executable)]
            self.call("cudaGraphDestroy", graph)
        except InferenceError:
            with contextlib.suppress(InferenceError):
                self.call_all(unfreed)
            raise
        return CudaGraph(executable, kernels)

    def launch(self, graph: CudaGraph) -> None:
        """Start everything in ``graph``."""
        self._check("cudaGraphLaunch", self._launch(graph.executable, self._stream))

    def free_graph(self, graph: CudaGraph) -> None:
        """Let go of a graph that is not running."""
        self.call("cudaGraphExecDestroy", graph.executable)

    def close(self) -> None:
        """Free events and stream; a second call does nothing. The caller synchronizes first.

        Raises:
            InferenceError: the first refusal, after everything was tried.
        """
        handles = [("cudaEventDestroy", event) for event in self._events]
        if self._stream is not None:
            handles.append(("cudaStreamDestroy", self._stream))
        self._events, self._stream, self.handle = [], None, 0
        self.call_all(handles)

    def call_all(self, handles: Iterable[tuple[str, Any]]) -> None:
        """Call every (function, handle), and then raise the first refusal if there was one.

        Raises:
            InferenceError: that refusal.
        """
        refusals = []
        for function, handle in handles:
            try:
                self.call(function, handle)
            except InferenceError as exc:
                refusals.append(exc)
        if refusals:
            raise refusals[0]

    def _check(self, function: str, answer: Any) -> None:
        """Raise if the first entry of ``answer`` is no success.

        Source: CUDA Runtime API, "Error Handling": a refusal also stays behind as the thread's
        last error until somebody asks for it. TensorRT asks after its own launches and would take
        it for its own, so it is taken away here.
        """
        error = answer[0]
        if error != self._success:
            self._cudart.cudaGetLastError()
            raise InferenceError(f"{function} failed: {error.name} ({int(error)})")

    def _count_kernels(self, graph: Any) -> int:
        _, total = self.call("cudaGraphGetNodes", graph)  # asked without room: only the number
        nodes, _ = self.call("cudaGraphGetNodes", graph, total) if total else ([], 0)
        kernel = self._cudart.cudaGraphNodeType.cudaGraphNodeTypeKernel
        return sum(self.call("cudaGraphNodeGetType", node) == kernel for node in nodes)
