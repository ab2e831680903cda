"""What TensorRT for RTX does by itself: capture CUDA graphs, compile kernels and keep them.

An engine of TensorRT for RTX holds no kernels for a GPU; they are compiled where it runs, when a
shape is seen for the first time. Nothing here has been executed on a GPU.
"""

from __future__ import annotations

from typing import Any

from spinn_edge.runtimes.trt.backend import Backend
from spinn_edge.runtimes.trt.cache import EngineCache

_KIND = "runtime"


def make_runtime_config(engine: Any, backend: Backend, *, graphs: bool) -> Any:
    """Return the IRuntimeConfig of an engine's execution contexts.

    Args:
        engine: ICudaEngine of ``tensorrt_rtx``.
        backend: that package.
        graphs: let TensorRT capture a CUDA graph for every shape, and replay it.

    Source: TensorRT for RTX documentation, "Working with RTX CUDA Graphs" and "Working with
    Dynamic Shapes".
    """
    module = backend.module
    runtime_config = engine.create_runtime_config()
    runtime_config.cuda_graph_strategy = (
        module.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        if graphs
        else module.CudaGraphStrategy.DISABLED
    )
    # The default, LAZY, starts with a general kernel and puts a better one in its place when a
    # thread in the background has compiled it: what is timed would change while it is timed.
    runtime_config.dynamic_shapes_kernel_specialization_strategy = (
        module.DynamicShapesKernelSpecializationStrategy.EAGER
    )
    return runtime_config


class KernelCache:
    """Kernels that were compiled here, kept from process to process.

    Losing them costs time and nothing else, so no refusal is an error: TensorRT itself refuses
    what was kept by another version or for another GPU.
    """

    def __init__(
        self, runtime_config: Any, store: EngineCache, backend: Backend, target: str
    ) -> None:
        """Give ``runtime_config`` a cache that holds what was kept.

        Args:
            runtime_config: IRuntimeConfig, no context of which exists yet.
            store: where it is kept.
            backend: the package.
            target: compute capability of the GPU, ``SM86``.
        """
        self._store, self._backend, self._target = store, backend, target
        self._kept = store.load(_KIND, backend, target)
        runtime_cache = runtime_config.create_runtime_cache()
        if runtime_cache is not None:
            if self._kept:
                runtime_cache.deserialize(self._kept)  # a refusal leaves it empty
            if not runtime_config.set_runtime_cache(runtime_cache):
                runtime_cache = None
        self._cache = runtime_cache

    def keep(self) -> None:
        """Store what is in the cache now, unless that is what was loaded, and let go of it."""
        runtime_cache, self._cache = self._cache, None
        content = runtime_cache.serialize() if runtime_cache is not None else None
        if content is not None and bytes(content) != self._kept:
            self._store.store(_KIND, self._backend, self._target, bytes(content))
