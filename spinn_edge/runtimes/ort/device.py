"""One ONNX Runtime session whose inputs and outputs are bound to device memory of our own."""

from __future__ import annotations

from typing import Any

from spinn_edge.core.errors import InferenceError
from spinn_edge.core.tensors import Array, Feeds, TensorSpec, are_as_before, batch_of, check_feeds
from spinn_edge.runtimes.base import DeviceStages, RuntimeFacts
from spinn_edge.runtimes.nvidia.buffers import CudaBuffers
from spinn_edge.runtimes.ort.session import told_by

MAX_GRAPHS = 32
"""CUDA graphs that one session may capture. ONNX Runtime keeps each until the session ends, with
the memory that it uses, and older versions cannot be told to let go of one."""

_ENQUEUE_ONLY = ("disable_synchronize_execution_providers", "1")
_GRAPH_ID = "gpu_graph_id"
_NO_GRAPH = "-1"

Shapes = dict[str, tuple[int, ...]]


class OrtCudaRuntime:
    """Runs any model; inputs in device memory of our own, outputs where ONNX Runtime puts them.

    It alone knows their size where an axis other than the batch is dynamic. It also copies them to
    the host then, outside our stream, so that no stage can be timed on the device. Where the sizes
    are known before the run, :class:`TimedOrtCudaRuntime` does all of it on the stream.

    ``run`` only puts kernels onto the stream: the stream is the session's ``user_compute_stream``,
    so copies, kernels and events stand in one queue, and the run option
    ``disable_synchronize_execution_providers`` leaves out the wait at the end.

    Use it from the thread that made it. ONNX Runtime keeps cuBLAS handles and captured graphs for
    each thread, and while it captures, it forbids every thread of the process to allocate device
    memory.

    Attributes:
        inputs: of the manifest.
        outputs: of the manifest.
        facts: what was loaded.

    Source: ``onnxruntime_run_options_config_keys.h`` and ``cuda_stream_handle.cc`` (a stream that
    it does not own is not flushed) of microsoft/onnxruntime; pull requests 14088 and 19229.
    """

    def __init__(
        self,
        ort: Any,
        session: Any,
        buffers: CudaBuffers,
        inputs: tuple[TensorSpec, ...],
        outputs: tuple[TensorSpec, ...],
        facts: RuntimeFacts,
        *,
        memory: str,
    ) -> None:
        """Take over an open session and its buffers; :meth:`close` frees both.

        Args:
            ort: the module ``onnxruntime``.
            session: ``onnxruntime.InferenceSession`` on the stream of ``buffers``.
            buffers: for the inputs, and for the outputs where their size is known.
            inputs: of the manifest.
            outputs: of the manifest.
            facts: what was loaded.
            memory: onnxruntime's name for the kind of memory that ``buffers`` holds.
        """
        self.inputs = inputs
        self.outputs = outputs
        self.facts = facts
        self._ort = ort
        self._session: Any = session
        self._binding: Any = session.io_binding()
        self._buffers = buffers
        self._memory = memory
        self._plain = self._options(_NO_GRAPH if facts.cuda_graph else None)
        self._current = self._plain
        self._graphs: dict[tuple[tuple[str, tuple[int, ...]], ...], Any] = {}
        self._captured = 0
        self._shapes: Shapes = {}
        self._bound = self._warm = self._has_run = False

    def bind(self, feeds: Feeds) -> None:
        """Check ``feeds``, copy them to pinned memory and start their copies to the device.

        Raises:
            InferenceError: a name, shape or dtype does not fit, CUDA refused, or too many graphs.
        """
        self._require_open()
        known = are_as_before(self.inputs, self._shapes, feeds)
        if not known:
            check_feeds(self.inputs, feeds)
        self._bound = self._has_run = False  # until all of this has worked
        if not known:
            shapes = {spec.name: feeds[spec.name].shape for spec in self.inputs}
            self._bind_shapes(shapes, batch_of(self.inputs, feeds))
        self._buffers.stage(feeds)
        self._buffers.upload()
        self._bound = True

    def run(self) -> None:
        """Put one inference onto the stream; the first one of a shape may wait, to capture it.

        Raises:
            InferenceError: nothing is bound, or ONNX Runtime refused.
        """
        self._require_bound()
        self._has_run = False
        self._before_run()
        self._start(self._current)
        self._warm = self._has_run = True

    def sync(self) -> None:
        """Block until every started copy and inference has ended."""
        self._require_open()
        self._buffers.synchronize()

    def fetch(self) -> dict[str, Array]:
        """Wait for the started inferences; copy the outputs to new host arrays.

        Raises:
            InferenceError: nothing has run, or the inference or the copy failed.
        """
        self._require_bound()
        if not self._has_run:
            raise InferenceError("nothing has run; call run after bind")
        return self._outputs_on_host()

    def close(self) -> None:
        """Free session, buffers and stream; a second call does nothing.

        Raises:
            InferenceError: CUDA refused something, after everything was tried.
        """
        if self._session is None:
            return
        self._bound = False
        try:
            self._buffers.synchronize()  # nothing may be in flight when its session goes
        finally:
            self._binding.clear_binding_inputs()
            self._binding.clear_binding_outputs()
            self._graphs.clear()
            self._binding = self._session = None  # before the stream that it knows
            self._buffers.close()

    def _bind_shapes(self, shapes: Shapes, batch: int) -> None:
        self._shapes, self._warm = {}, False  # a refusal half-way is no success next time
        known = shapes | self._output_shapes(batch)
        if self._buffers.resize(known):  # what fails here moves the next time
            self._forget_graphs()
        for spec in self.inputs:
            self._binding.bind_input(spec.name, *self._place(spec, known))
        self._bind_outputs(known)
        self._current = self._graph_of(shapes) if self.facts.cuda_graph else self._plain
        self._shapes = shapes

    def _output_shapes(self, batch: int) -> Shapes:
        return {}

    def _bind_outputs(self, known: Shapes) -> None:
        """Do nothing: :meth:`_before_run` asks for outputs of whatever size comes."""

    def _before_run(self) -> None:
        for spec in self.outputs:  # else the last run's arrays stay bound, with their sizes
            self._binding.bind_output(spec.name, self._memory, 0)

    def _outputs_on_host(self) -> dict[str, Array]:
        self._buffers.synchronize()
        names = [spec.name for spec in self.outputs]
        return dict(zip(names, self._binding.copy_outputs_to_cpu(), strict=True))

    def _place(self, spec: TensorSpec, known: Shapes) -> tuple[Any, ...]:
        address = self._buffers.address(spec.name)
        return self._memory, 0, spec.dtype, known[spec.name], address

    def _graph_of(self, shapes: Shapes) -> Any:
        """Return the run options under which ONNX Runtime captures these shapes or replays them.

        Source: onnxruntime.ai, "CUDA Execution Provider, Using CUDA Graphs": each value of
        ``gpu_graph_id`` names one graph, captured at its first run and replayed after that with
        the addresses and shapes that it was captured with.
        """
        key = tuple(shapes.items())
        if key not in self._graphs:
            if self._captured == MAX_GRAPHS:
                raise InferenceError(
                    f"{MAX_GRAPHS} CUDA graphs were captured, one for each batch size and again "
                    "for each after the buffers grew, and this is one more; use fewer batch "
                    "sizes, bind the largest first, or use ort-cuda"
                )
            self._captured += 1
            self._graphs[key] = self._options(str(self._captured))
        return self._graphs[key]

    def _forget_graphs(self) -> None:
        """Let go of graphs that know addresses which are no longer ours."""
        release = getattr(self._session, "release_captured_graph", None)  # onnxruntime 1.3x
        for options in self._graphs.values():
            if release is not None:
                release(int(options.get_run_config_entry(_GRAPH_ID)))
        self._graphs.clear()

    def _options(self, graph_id: str | None) -> Any:
        options = self._ort.RunOptions()
        options.add_run_config_entry(*_ENQUEUE_ONLY)
        if graph_id is not None:
            options.add_run_config_entry(_GRAPH_ID, graph_id)
        return options

    def _start(self, options: Any) -> None:
        try:
            self._session.run_with_iobinding(self._binding, options)
        except Exception as exc:  # onnxruntime raises its own pybind types
            text = str(exc).lower()
            out = "out of memory" in text or "failed to allocate memory" in text
            advice = "; use a smaller batch" if out else ""
            raise InferenceError(f"ONNX Runtime failed: {told_by(exc)}{advice}") from exc

    def _require_open(self) -> None:
        if self._session is None:
            raise InferenceError("the runtime was closed; open the bundle again")

    def _require_bound(self) -> None:
        self._require_open()
        if not self._bound:
            raise InferenceError("no inputs are bound; call bind first")


class TimedOrtCudaRuntime(OrtCudaRuntime):
    """Inputs and outputs in device memory of our own, each with its twin in pinned memory."""

    def time_stages(self) -> DeviceStages:
        """Copy in, run, copy out, once, each between events on the stream.

        Raises:
            InferenceError: nothing is bound, or CUDA or ONNX Runtime refused.
        """
        self._require_bound()
        self._run_once()  # so that no capture and no allocation falls between the events
        return self._buffers.time_stages(self.run)

    def count_launches(self) -> int | None:
        """Return how many kernels one inference puts onto the stream.

        One run is captured into a CUDA graph that is never launched, and the graph's kernels are
        counted. The nodes that onnxruntime says it assigned to the GPU would be a guess only:
        one node can be several kernels, or none. None where the run cannot be captured.
        """
        self._require_bound()
        self._run_once()
        stream = self._buffers.stream
        try:
            self._start(self._plain)  # whatever it must allocate is there after this
            self._buffers.synchronize()
            graph = stream.capture(lambda: self._start(self._plain))
        except InferenceError:
            return None
        stream.free_graph(graph)
        return graph.kernels or None

    def _run_once(self) -> None:
        if not self._warm:
            self.run()

    def _output_shapes(self, batch: int) -> Shapes:
        return {spec.name: spec.at_batch(batch) or () for spec in self.outputs}

    def _bind_outputs(self, known: Shapes) -> None:
        for spec in self.outputs:
            self._binding.bind_output(spec.name, *self._place(spec, known))

    def _before_run(self) -> None:
        """Do nothing: the outputs stay bound to their buffers."""

    def _outputs_on_host(self) -> dict[str, Array]:
        self._buffers.download()
        return self._buffers.collect()
