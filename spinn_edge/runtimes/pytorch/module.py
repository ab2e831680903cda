"""Any callable PyTorch module on the CPU behind the runtime protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from spinn_edge.core.errors import InferenceError, UsageError, first_line
from spinn_edge.core.manifest import Manifest
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array, Feeds, TensorSpec, check_feeds
from spinn_edge.runtimes.base import RuntimeFacts


class TorchRuntime:
    """Calls ``function`` on CPU tensors under ``torch.inference_mode``.

    Inputs are copied into tensors that are kept from call to call, so that a bound run does not
    depend on arrays which the caller may change.
    """

    def __init__(
        self, function: Callable[..., Any], manifest: Manifest, *, threads: int, file: str = ""
    ) -> None:
        """Wrap a module.

        Args:
            function: takes tensors in the order of the manifest's inputs.
            manifest: names, shapes and dtypes.
            threads: CPU threads inside one operator, for the whole process.
            file: path in the bundle of what was loaded.

        Raises:
            UsageError: fewer than one thread.
        """
        self.inputs: tuple[TensorSpec, ...] = manifest.inputs
        self.outputs: tuple[TensorSpec, ...] = manifest.outputs
        self.facts = RuntimeFacts(file=file)
        self._torch = require("torch", extra="export")
        set_threads(self._torch, threads)
        self._function: Callable[..., Any] | None = function
        self._bound: tuple[Any, ...] = ()
        self._result: Any = None

    def bind(self, feeds: Feeds) -> None:
        if self._function is None:
            raise InferenceError("the runtime was closed; open the bundle again")
        check_feeds(self.inputs, feeds)
        self._result = None
        arrays = [feeds[spec.name] for spec in self.inputs]
        if [tuple(t.shape) for t in self._bound] != [a.shape for a in arrays]:
            self._bound = tuple(self._torch.from_numpy(np.empty_like(a, order="C")) for a in arrays)
        for tensor, array in zip(self._bound, arrays, strict=True):
            np.copyto(tensor.numpy(), array)

    def run(self) -> None:
        if self._function is None or not self._bound:
            raise InferenceError("nothing is bound: call bind first, and not after close")
        try:
            with self._torch.inference_mode():
                self._result = self._function(*self._bound)
        except InferenceError:
            raise
        except Exception as exc:  # torch wraps kernel, compiler and user errors in many types
            raise in_our_words(exc) from exc

    def sync(self) -> None:
        """Do nothing: CPU kernels have ended when the call returns."""

    def fetch(self) -> dict[str, Array]:
        if self._result is None:
            raise InferenceError("nothing has run: call run after bind, and not after close")
        tensors = flatten_outputs(self._result)
        return {
            spec.name: np.array(tensor.numpy(), copy=True)
            for spec, tensor in zip(self.outputs, tensors, strict=True)
        }

    def close(self) -> None:
        self._function, self._bound, self._result = None, (), None


def flatten_outputs(result: Any) -> list[Any]:
    """Return a module's result (a tensor, a sequence or a dict of tensors) as a list."""
    if isinstance(result, Mapping):
        return list(result.values())
    if isinstance(result, Sequence):
        return list(result)
    return [result]


def in_our_words(exc: Exception) -> InferenceError:
    """Return what PyTorch's error means for the caller; the caller chains it with ``from``."""
    if type(exc).__name__ == "OutOfMemoryError":
        return InferenceError(f"out of device memory; use a smaller batch ({first_line(exc)})")
    return InferenceError(f"PyTorch failed ({type(exc).__name__}): {first_line(exc)}")


def set_threads(torch: Any, threads: int) -> None:
    """Set the number of CPU threads inside one operator, for the whole process.

    Raises:
        UsageError: fewer than one.
    """
    if threads < 1:
        raise UsageError(f"threads must be at least 1, got {threads}")
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
