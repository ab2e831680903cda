"""An execution context of an engine, and the inferences that one of them starts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from spinn_edge.core.errors import InferenceError
from spinn_edge.runtimes.nvidia.buffers import CudaBuffers
from spinn_edge.runtimes.nvidia.stream import CudaGraph
from spinn_edge.runtimes.trt.engine import LoadedEngine, Shapes


class Contexts(Protocol):
    """How the inferences of one runtime are started."""

    refusal: str
    """Why the selected shapes have no graph although one was wanted; empty when nothing failed."""

    def select(self, shapes: Shapes) -> None:
        """Take these input shapes from now on; the buffers get them, and room for the outputs.

        Raises:
            InferenceError: TensorRT or CUDA refused; nothing is selected then.
        """

    def settle(self) -> None:
        """Do what the selected shapes need once, with inputs on the device, before :meth:`run`.

        Raises:
            InferenceError: the inference itself failed.
        """

    def run(self) -> None:
        """Start one inference.

        Raises:
            InferenceError: TensorRT or CUDA refused.
        """

    def count_launches(self) -> int | None:
        """Return how many kernels one inference launches; None if that cannot be told."""

    def free(self) -> None:
        """Let go of everything; nothing may be in flight.

        Raises:
            InferenceError: the first refusal, after everything was tried.
        """


class BoundContext:
    """One IExecutionContext whose refusals are errors of ours."""

    def __init__(
        self, loaded: LoadedEngine, buffers: CudaBuffers, runtime_config: Any = None
    ) -> None:
        """Make the context.

        Raises:
            InferenceError: TensorRT refused.
        """
        self._loaded, self._buffers = loaded, buffers
        self._stream = buffers.stream.handle
        self._context = loaded.make_context(self._stream, runtime_config)

    def set_shapes(self, shapes: Shapes) -> Shapes:
        """Set the input shapes and return the shapes of all inputs and outputs.

        Raises:
            InferenceError: TensorRT refused, or an output's shape depends on data.
        """
        context, engine = self._context, self._loaded.engine
        for name, shape in shapes.items():
            if not context.set_input_shape(name, shape):
                raise InferenceError(
                    self._loaded.refusal(f"TensorRT refused {shape} for input '{name}'")
                )
        known = dict(shapes)
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            if name in known:
                continue
            try:
                known[name] = tuple(context.get_tensor_shape(name))
            except ValueError as exc:  # a length of -1 is how TensorRT says that it has no shape
                raise InferenceError(
                    self._loaded.refusal(f"TensorRT gives no shape for output '{name}'")
                ) from exc
            if min(known[name], default=0) < 0:
                raise InferenceError(
                    f"the shape of '{name}' depends on data, which TensorRT cannot tell before "
                    "it runs; spinn-edge runs no such engine"
                )
        return known

    def set_addresses(self, names: Iterable[str]) -> None:
        """Tell the context where inputs and outputs are now.

        Raises:
            InferenceError: TensorRT refused.
        """
        for name in names:
            if not self._context.set_tensor_address(name, self._buffers.address(name)):
                what = f"TensorRT refused a buffer for '{name}'"
                raise InferenceError(self._loaded.refusal(what))

    def enqueue(self) -> None:
        """Start one inference on the stream, or record it there.

        Raises:
            InferenceError: TensorRT refused.
        """
        if not self._context.execute_async_v3(self._stream):
            raise InferenceError(self._loaded.refusal("TensorRT refused to run"))

    def capture(self) -> CudaGraph:
        """Record one inference; an inference must have run and ended with the same shapes.

        Raises:
            InferenceError: it cannot be captured.
        """
        return self._buffers.stream.capture(self.enqueue)

    def free(self) -> None:
        """Let go of the context; nothing of it may be in flight."""
        self._context = None


class OneContext:
    """One context for all shapes, enqueued anew each time.

    With ``tensorrt_rtx`` this is the way with and without graphs: its contexts capture by
    themselves, as ``runtime_config`` tells them.
    """

    refusal = ""

    def __init__(
        self, loaded: LoadedEngine, buffers: CudaBuffers, runtime_config: Any = None
    ) -> None:
        """Make the context.

        Raises:
            InferenceError: TensorRT refused.
        """
        self._loaded, self._buffers = loaded, buffers
        self._captures_itself = runtime_config is not None
        self._only = BoundContext(loaded, buffers, runtime_config)
        self._inputs: Shapes = {}
        self._launches: int | None = None
        self._counted = False

    def select(self, shapes: Shapes) -> None:
        self._buffers.synchronize()  # what runs on the context must not see it change
        self._counted = False
        known = self._only.set_shapes(shapes)
        self._buffers.resize(known)
        self._only.set_addresses(known)
        self._inputs = shapes

    def settle(self) -> None:
        """Do nothing: what a first run costs is paid by the first run."""

    def run(self) -> None:
        self._only.enqueue()

    def count_launches(self) -> int | None:
        """Capture once, on a context of its own that is freed again."""
        if not self._captures_itself and not self._counted:
            try:
                self._launches = self._capture_and_count()
            except InferenceError:  # an inference that cannot be captured still runs
                self._launches = None
            self._counted = True
        return self._launches

    def free(self) -> None:
        self._only.free()

    def _capture_and_count(self) -> int:
        bound = BoundContext(self._loaded, self._buffers)
        try:
            bound.set_addresses(bound.set_shapes(self._inputs))
            bound.enqueue()
            self._buffers.synchronize()
            graph = bound.capture()
            self._buffers.stream.free_graph(graph)
        finally:
            bound.free()
        return graph.kernels
