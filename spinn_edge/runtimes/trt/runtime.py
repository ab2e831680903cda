"""One TensorRT engine that runs on one stream.

This file and those that it drives (``context``, ``graphs`` and ``rtx`` beside it, ``buffers`` and
``stream`` in ``nvidia``) have NOT been executed on a GPU. They were written from NVIDIA's
documentation.
Their logic is tested against host memory and ONNX Runtime in the place of the device and the
engine, and everything that comes before a device is touched against the real tensorrt_rtx.

Threads: a runtime serves one thread at a time and may be handed from thread to thread; a second
thread that comes while the first is inside gets an error. Two runtimes share no stream, no
context and no buffer, so two threads may each use one of their own at once.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError, RuntimeUnavailableError
from spinn_edge.core.tensors import Array, Feeds, TensorSpec, are_as_before, check_feeds
from spinn_edge.runtimes.base import DeviceStages, RuntimeFacts
from spinn_edge.runtimes.nvidia.buffers import CudaBuffers
from spinn_edge.runtimes.nvidia.driver import DRIVER_ADVICE
from spinn_edge.runtimes.trt.cache import EngineCache
from spinn_edge.runtimes.trt.context import Contexts, OneContext
from spinn_edge.runtimes.trt.engine import Shapes, load_engine, profile_of
from spinn_edge.runtimes.trt.graphs import GraphContexts
from spinn_edge.runtimes.trt.preflight import EngineChoice
from spinn_edge.runtimes.trt.rtx import KernelCache, make_runtime_config
from spinn_edge.runtimes.turn import one_thread


class TensorRTRuntime:
    """One engine on one stream; buffers, contexts and graphs are kept between calls.

    ``bind`` does whatever a new shape needs, and waits for it; with the shape of the call before
    nothing waits before ``fetch``.

    Attributes:
        inputs: of the manifest, which the engine was checked against.
        outputs: likewise.
        turn: held by the thread that is inside.
        facts: ``cuda_graph`` speaks of the shapes that are bound. TensorRT for RTX does not tell
            whether it captured a graph: there it says what TensorRT was asked for.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    facts: RuntimeFacts

    def __init__(
        self,
        bundle: Bundle,
        choice: EngineChoice,
        cudart: Any,
        *,
        graphs: bool = True,
        trust_engine_code: bool = False,
    ) -> None:
        """Deserialize the engine and make its first context.

        Args:
            bundle: says names, shapes and dtypes.
            choice: what fits this machine.
            cudart: ``cuda.bindings.runtime``, or a fake with the same functions.
            graphs: replay inferences as CUDA graphs where that is possible.
            trust_engine_code: a version-compatible engine, which carries code, may be loaded.

        Raises:
            BundleError: the engine's tensors or its profile disagree with the manifest.
            RuntimeUnavailableError: TensorRT or CUDA refused, or the engine is not trusted.
        """
        self.inputs, self.outputs = bundle.manifest.inputs, bundle.manifest.outputs
        self._profile = profile_of(bundle, choice.entry)
        smallest, largest = self._profile.batches
        self.facts = RuntimeFacts(
            file=choice.entry.path,
            device=choice.device.label,
            tf32=choice.entry.details.get("tf32"),
            cuda_graph=graphs,
            min_batch=smallest,
            max_batch=largest,
            notices=_rebuilt(choice),
        )
        self._loaded = load_engine(
            choice, self.inputs, self.outputs, trust_engine_code=trust_engine_code
        )
        try:
            self._buffers = CudaBuffers(cudart, self.inputs, self.outputs)
        except InferenceError as exc:
            self._loaded.free()
            raise RuntimeUnavailableError(f"CUDA cannot be used: {exc}\n{DRIVER_ADVICE}") from exc
        self._kernels: KernelCache | None = None
        try:
            self._contexts = self._make_contexts(bundle, choice, graphs)
        except InferenceError as exc:
            with contextlib.suppress(InferenceError):  # the first refusal is the telling one
                self._buffers.close()
            self._loaded.free()
            raise RuntimeUnavailableError(str(exc)) from exc
        self._wants_graphs = graphs
        self._shapes: Shapes = {}
        self._bound = self._has_run = False
        self._open = True
        self.turn = threading.Lock()

    @one_thread
    def bind(self, feeds: Feeds) -> None:
        """Check ``feeds`` (host arrays, shape (batch, ...)) and start their copies to the device.

        The arrays are the caller's again when it returns. New shapes cost one inference, and one
        more that is captured.

        Raises:
            InferenceError: a name, shape or dtype does not fit, or TensorRT or CUDA refused.
        """
        self._require_open()
        self._bound = self._has_run = False  # until all of this has worked
        if are_as_before(self.inputs, self._shapes, feeds):
            self._buffers.stage(feeds)
            self._buffers.upload()
        else:
            self._bind_other_shapes(feeds)
        self._bound = True

    def run(self) -> None:
        """Start one inference on the bound inputs; returns before it ends.

        Raises:
            InferenceError: nothing is bound, or TensorRT or CUDA refused.
        """
        if not self._bound:
            self._require_bound()
        self._contexts.run()
        self._has_run = True

    @one_thread
    def sync(self) -> None:
        """Block until every started inference has ended.

        Raises:
            InferenceError: one of them failed.
        """
        self._require_open()
        self._buffers.synchronize()

    @one_thread
    def fetch(self) -> dict[str, Array]:
        """Wait for the started inferences; copy the outputs to new host arrays.

        No later run overwrites them.

        Raises:
            InferenceError: nothing has run, or one of the inferences failed.
        """
        self._require_bound()
        if not self._has_run:
            raise InferenceError("nothing has run; call run after bind")
        self._buffers.download()
        return self._buffers.collect()

    @one_thread
    def time_stages(self) -> DeviceStages:
        """Copy the bound inputs to the device, run, copy the outputs back, once; wait for the end.

        Raises:
            InferenceError: nothing is bound, or TensorRT or CUDA refused.
        """
        self._require_bound()
        return self._buffers.time_stages(self.run)

    @one_thread
    def count_launches(self) -> int | None:
        """Return how many kernels one inference on the bound inputs launches.

        Returns:
            None where no graph could be captured to count them in, and with ``tensorrt_rtx``.

        Raises:
            InferenceError: nothing is bound.
        """
        self._require_bound()
        return self._contexts.count_launches()

    @one_thread
    def close(self) -> None:
        """Free graphs, contexts, engine, buffers and stream; a second call does nothing.

        Raises:
            InferenceError: CUDA refused something, after everything was tried.
        """
        if not self._open:
            return
        self._open = self._bound = False
        with contextlib.ExitStack() as last_comes_first:
            last_comes_first.callback(self._buffers.close)
            last_comes_first.callback(self._loaded.free)
            last_comes_first.callback(self._contexts.free)
            self._buffers.synchronize()  # nothing may be in flight when its context goes
            if self._kernels is not None:
                self._kernels.keep()

    def _make_contexts(self, bundle: Bundle, choice: EngineChoice, graphs: bool) -> Contexts:
        backend = choice.backend
        if backend.is_rtx:
            runtime_config = make_runtime_config(self._loaded.engine, backend, graphs=graphs)
            self._kernels = KernelCache(
                runtime_config, EngineCache(bundle.root), backend, choice.device.sm
            )
            return OneContext(self._loaded, self._buffers, runtime_config)
        kind = GraphContexts if graphs else OneContext
        return kind(self._loaded, self._buffers)

    def _bind_other_shapes(self, feeds: Feeds) -> None:
        check_feeds(self.inputs, feeds)
        shapes = {spec.name: feeds[spec.name].shape for spec in self.inputs}
        self._profile.check(shapes)
        self._shapes = {}  # so that a refusal half-way is not taken for success next time
        self._contexts.select(shapes)
        self._buffers.stage(feeds)
        self._buffers.upload()
        self._contexts.settle()
        self._shapes = shapes
        if self._wants_graphs:
            self._note_graph(self._contexts.refusal)

    def _note_graph(self, refusal: str) -> None:
        """Say in the facts whether the bound shapes have a graph."""
        self.facts = replace(self.facts, cuda_graph=not refusal)
        notice = "some shapes run without a CUDA graph, which could not be captured: "
        if refusal and not any(said.startswith(notice) for said in self.facts.notices):
            self.facts = replace(self.facts, notices=(*self.facts.notices, notice + refusal))

    def _require_open(self) -> None:
        if not self._open:
            raise InferenceError("the runtime was closed; open the bundle again")

    def _require_bound(self) -> None:
        self._require_open()
        if not self._bound:
            raise InferenceError("no inputs are bound; call bind first")


def _rebuilt(choice: EngineChoice) -> tuple[str, ...]:
    if not choice.rebuilt:
        return ()
    return (f"the engine was built again on this machine, since {choice.rebuilt}",)
