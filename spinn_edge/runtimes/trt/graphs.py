"""One execution context and one CUDA graph for each of the shapes that were used last.

Source: TensorRT documentation, "CUDA Graphs": a captured graph belongs to its execution context,
its optimization profile and its shapes; after a change of any of them its replay is undefined. The
first enqueue after a change of shapes does work that must not be captured.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from spinn_edge.core.errors import InferenceError
from spinn_edge.runtimes.nvidia.buffers import CudaBuffers
from spinn_edge.runtimes.nvidia.stream import CudaGraph
from spinn_edge.runtimes.trt.context import BoundContext
from spinn_edge.runtimes.trt.engine import LoadedEngine, Shapes

KEPT_SHAPES = 8
"""Shapes whose context and graph are kept; each context holds activation memory of its own."""


@dataclass(slots=True)
class _Prepared:
    """One context with what was done for it.

    Attributes:
        bound: a context whose shapes and addresses never change again.
        shapes: of all inputs and outputs.
        graph: one inference; None before it is captured and where that failed.
        refusal: why it was not captured.
        settled: one inference has run, and a capture was tried.
    """

    bound: BoundContext
    shapes: Shapes
    graph: CudaGraph | None = None
    refusal: str = ""
    settled: bool = False


class GraphContexts:
    """One context and one CUDA graph for each of the shapes that were used last."""

    refusal = ""

    def __init__(self, loaded: LoadedEngine, buffers: CudaBuffers) -> None:
        """Make the context for the first shapes, so that a lack of memory shows at once.

        Raises:
            InferenceError: TensorRT refused.
        """
        self._loaded, self._buffers = loaded, buffers
        self._spare: BoundContext | None = BoundContext(loaded, buffers)
        self._kept: OrderedDict[tuple[tuple[str, tuple[int, ...]], ...], _Prepared] = OrderedDict()
        self._selected: _Prepared | None = None

    def select(self, shapes: Shapes) -> None:
        key = tuple(shapes.items())
        self._selected = None
        if key not in self._kept:
            self._kept[key] = self._prepare(shapes)
        self._kept.move_to_end(key)
        prepared = self._kept[key]
        self._buffers.resize(prepared.shapes)  # they are large enough: only the shapes are taken
        self._selected, self.refusal = prepared, prepared.refusal

    def settle(self) -> None:
        """Run once and wait, then capture; a graph that cannot be captured is done without."""
        prepared = self._current()
        if not prepared.settled:
            prepared.bound.enqueue()
            self._buffers.synchronize()
            try:
                prepared.graph = prepared.bound.capture()
            except InferenceError as exc:
                prepared.refusal = str(exc)
            prepared.settled = True
        self.refusal = prepared.refusal

    def run(self) -> None:
        prepared = self._current()
        if prepared.graph is not None:
            self._buffers.stream.launch(prepared.graph)
        else:
            prepared.bound.enqueue()

    def count_launches(self) -> int | None:
        graph = self._current().graph
        return None if graph is None else graph.kernels

    def free(self) -> None:
        if self._spare is not None:
            self._spare.free()
            self._spare = None
        self._selected = None
        self._free(list(self._kept))

    def _prepare(self, shapes: Shapes) -> _Prepared:
        if len(self._kept) >= KEPT_SHAPES:
            self._drop([next(iter(self._kept))])
        bound = self._spare or BoundContext(self._loaded, self._buffers)
        self._spare = None
        try:
            known = bound.set_shapes(shapes)
            self._resize(known)
            bound.set_addresses(known)
        except InferenceError:
            bound.free()
            raise
        return _Prepared(bound, known)

    def _resize(self, shapes: Shapes) -> None:
        moved = True  # after a refusal some addresses may be others already
        try:
            moved = self._buffers.resize(shapes)
        finally:
            if moved:
                self._drop(list(self._kept))

    def _drop(self, keys: list[Any]) -> None:
        try:
            self._buffers.synchronize()
        finally:
            self._free(keys)

    def _free(self, keys: list[Any]) -> None:
        """Free graphs and then the contexts that they belong to."""
        gone = [self._kept.pop(key) for key in keys]
        graphs = [item.graph for item in gone if item.graph is not None]
        try:
            self._buffers.stream.call_all(
                ("cudaGraphExecDestroy", graph.executable) for graph in graphs
            )
        finally:
            for item in gone:
                item.bound.free()

    def _current(self) -> _Prepared:
        if self._selected is None:
            raise InferenceError("no shapes are selected; call bind first")
        return self._selected
