"""Any callable PyTorch module on the first GPU behind the runtime protocol.

Nothing here has been executed on a GPU yet: it is written from PyTorch's documentation and tested
with CPU tensors and a stand-in for ``torch.cuda``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from spinn_edge.core.errors import InferenceError
from spinn_edge.core.manifest import Manifest
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array, Feeds, TensorSpec, check_feeds
from spinn_edge.runtimes.base import LEAD_RUNS, DeviceStages, RuntimeFacts
from spinn_edge.runtimes.pytorch.gpu import GPU
from spinn_edge.runtimes.pytorch.module import flatten_outputs, in_our_words

_RUNS_UNTIL_REPLAY = 3
"""A CUDA graph of ``torch.compile`` is warmed up in the first run of a shape, recorded in the
second and replayed from the third on (torch/_inductor/cudagraph_trees.py)."""


class TorchCudaRuntime:
    """Calls ``function`` on GPU tensors, on a stream of its own, under ``torch.inference_mode``.

    Inputs stand in pinned host memory and in GPU tensors that are kept from call to call; outputs
    are copied to pinned memory when they are fetched. Use it from the thread that made it.

    Attributes:
        inputs: of the manifest.
        outputs: of the manifest.
        facts: what was loaded.

    Source: PyTorch notes, "CUDA semantics": pinned memory, ``non_blocking`` copies, streams.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        manifest: Manifest,
        facts: RuntimeFacts,
        *,
        cuda: Any = None,
        device: str = GPU,
    ) -> None:
        """Wrap a module whose weights are on the GPU.

        Args:
            function: takes GPU tensors in the order of the manifest's inputs.
            manifest: names, shapes and dtypes.
            facts: what was loaded. ``cuda_graph`` says that ``function`` reuses the memory of its
                outputs between runs.
            cuda: ``torch.cuda``, or a stand-in with Stream, Event, stream and current_stream.
            device: PyTorch's name of the device.
        """
        self.inputs: tuple[TensorSpec, ...] = manifest.inputs
        self.outputs: tuple[TensorSpec, ...] = manifest.outputs
        self.facts = facts
        self._torch = require("torch", extra="export")
        self._cuda = cuda or self._torch.cuda
        self._device = device
        self._stream: Any = self._cuda.Stream()
        self._stream.wait_stream(self._cuda.current_stream())  # the weights' copies are there
        self._events = [self._cuda.Event(enable_timing=True) for _ in range(4)]
        self._function: Callable[..., Any] | None = function
        self._host_inputs: tuple[Any, ...] = ()
        self._device_inputs: tuple[Any, ...] = ()
        self._host_outputs: list[Any] = []
        self._result: Any = None
        self._uploading = False
        self._runs = 0  # on the bound shapes

    def bind(self, feeds: Feeds) -> None:
        """Check ``feeds``, copy them to pinned memory and start their copies to the device.

        Raises:
            InferenceError: a name, shape or dtype does not fit, or the memory is not there.
        """
        if self._function is None:
            raise InferenceError("the runtime was closed; open the bundle again")
        check_feeds(self.inputs, feeds)
        self._result = None
        arrays = [feeds[spec.name] for spec in self.inputs]
        if [tuple(t.shape) for t in self._host_inputs] != [a.shape for a in arrays]:
            self._wrapped(lambda: self._allocate(arrays))
        elif self._uploading:  # the device may still be reading what stands there
            self.sync()
        for tensor, array in zip(self._host_inputs, arrays, strict=True):
            np.copyto(tensor.numpy(), array)
        self._wrapped(self._upload)

    def run(self) -> None:
        """Start one inference on the bound inputs; the first of a shape may compile it.

        Raises:
            InferenceError: nothing is bound, or PyTorch failed.
        """
        self._wrapped(self._start)

    def sync(self) -> None:
        """Block until every started copy and inference has ended."""
        self._wrapped(self._stream.synchronize)
        self._uploading = False

    def fetch(self) -> dict[str, Array]:
        """Wait for the started inferences; copy the outputs to new host arrays."""
        if self._result is None:
            raise InferenceError("nothing has run: call run after bind, and not after close")
        self._wrapped(self._download)
        self.sync()
        return {
            spec.name: np.array(tensor.numpy(), copy=True)
            for spec, tensor in zip(self.outputs, self._host_outputs, strict=True)
        }

    def time_stages(self) -> DeviceStages:
        """Copy in, run, copy out, once, each between events on the stream.

        Raises:
            InferenceError: nothing is bound, or PyTorch failed.
        """
        self._settle()
        self.sync()
        for _ in range(LEAD_RUNS):
            self._wrapped(self._start)
        begin, uploaded, computed, downloaded = self._events
        begin.record(self._stream)
        self._wrapped(self._upload)
        uploaded.record(self._stream)
        self._wrapped(self._start)
        computed.record(self._stream)
        self._wrapped(self._download)
        downloaded.record(self._stream)
        self.sync()
        return DeviceStages(
            upload_s=begin.elapsed_time(uploaded) / 1e3,  # PyTorch counts milliseconds
            compute_s=uploaded.elapsed_time(computed) / 1e3,
            download_s=computed.elapsed_time(downloaded) / 1e3,
        )

    def count_launches(self) -> int | None:
        """Return how many kernels one inference runs, as PyTorch's profiler sees them.

        Those of a CUDA graph count too, although one launch starts them all. None where the
        profiler sees no kernel.
        """
        self._settle()

        def run_to_the_end() -> None:
            self.run()
            self.sync()

        self.sync()
        return count_kernels(self._torch, run_to_the_end)

    def close(self) -> None:
        """Let go of module and tensors; a second call does nothing."""
        if self._function is None:
            return
        self._function, self._result = None, None
        try:
            self.sync()  # the device may still be using them
        finally:
            self._host_inputs, self._device_inputs, self._host_outputs = (), (), []

    def _allocate(self, arrays: list[Array]) -> None:
        self._stream.synchronize()  # else tensors in flight would go
        self._uploading, self._runs = False, 0
        self._host_inputs, self._device_inputs = (), ()
        like = [self._torch.from_numpy(np.empty_like(array, order="C")) for array in arrays]
        with self._cuda.stream(self._stream):  # the memory belongs to the stream that uses it
            on_device = tuple(self._torch.empty_like(t, device=self._device) for t in like)
        self._host_inputs = tuple(self._pinned(tensor) for tensor in like)
        self._device_inputs = on_device

    def _pinned(self, like: Any) -> Any:
        pinned = self._device.startswith(GPU)  # a build without CUDA has no pinned memory
        return self._torch.empty(
            tuple(like.shape), dtype=like.dtype, device="cpu", pin_memory=pinned
        )

    def _upload(self) -> None:
        self._uploading = True
        with self._cuda.stream(self._stream):
            for target, source in zip(self._device_inputs, self._host_inputs, strict=True):
                target.copy_(source, non_blocking=True)

    def _start(self) -> None:
        if self._function is None or not self._device_inputs:
            raise InferenceError("nothing is bound: call bind first, and not after close")
        self._result = None  # a graph may write where the last result stands
        with self._torch.inference_mode(), self._cuda.stream(self._stream):
            if self.facts.cuda_graph:
                self._torch.compiler.cudagraph_mark_step_begin()
            self._result = self._function(*self._device_inputs)
        self._runs += 1

    def _download(self) -> None:
        tensors = flatten_outputs(self._result)
        shapes = [(tuple(tensor.shape), tensor.dtype) for tensor in tensors]
        if shapes != [(tuple(tensor.shape), tensor.dtype) for tensor in self._host_outputs]:
            self._host_outputs = [self._pinned(tensor) for tensor in tensors]
        with self._cuda.stream(self._stream):
            for target, source in zip(self._host_outputs, tensors, strict=True):
                target.copy_(source, non_blocking=True)

    def _settle(self) -> None:
        """Run until nothing is compiled, recorded or allocated any more."""
        wanted = _RUNS_UNTIL_REPLAY if self.facts.cuda_graph else 1
        while self._runs < wanted or self._result is None:
            self.run()
        self._wrapped(self._download)

    def _wrapped(self, work: Callable[[], None]) -> None:
        try:
            work()
        except InferenceError:
            raise
        except Exception as exc:  # torch wraps kernel, compiler and user errors in many types
            raise in_our_words(exc) from exc


def count_kernels(torch: Any, run: Callable[[], None]) -> int | None:
    """Return how many GPU kernels ``run`` executes; None where PyTorch's profiler sees none.

    Args:
        torch: the module.
        run: waits for the device before it returns.
    """
    gpu = torch.profiler.ProfilerActivity.CUDA
    if gpu not in torch.profiler.supported_activities():
        return None
    with torch.profiler.profile(activities=[gpu]) as profile:
        run()
    kernels = [
        event
        for event in profile.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
        and not getattr(event, "is_user_annotation", False)
        and not event.name.startswith(("Memcpy", "Memset"))
    ]
    return len(kernels) or None
