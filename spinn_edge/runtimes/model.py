"""What an application embeds: a bundle, opened on one runtime, called like a function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError
from spinn_edge.core.manifest import PRECISIONS
from spinn_edge.core.tensors import Array, Feeds, TensorSpec
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import (
    MISMATCH_POLICIES,
    OpenOptions,
    Runtime,
    RuntimeFacts,
    infer,
)


class Model:
    """An open model: numpy in, numpy out. Not thread-safe; open one per thread.

    Attributes:
        runtime: the backend, for callers that want to bind once and run often.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._open = True

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Names, shapes and dtypes that a call must give."""
        return self.runtime.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Names, shapes and dtypes that a call returns."""
        return self.runtime.outputs

    @property
    def facts(self) -> RuntimeFacts:
        """What really loaded: file, device, TF32, batch sizes, and who serves as a stand-in."""
        return self.runtime.facts

    def __call__(self, x: Array | Feeds) -> Any:
        """Run one inference.

        Args:
            x: host array of shape (batch, ...) for a model with one input, else a dict by name.

        Returns:
            One host array for a model with one output, else a dict of them by name (typed ``Any``,
            since the model decides). The arrays are the caller's: no later call changes them.

        Raises:
            InferenceError: a name, shape or dtype does not fit, or the model was closed.
        """
        if not self._open:
            raise InferenceError("the model was closed; call open_runtime again")
        feeds = x if isinstance(x, Mapping) else {self.inputs[0].name: x}
        outputs = infer(self.runtime, feeds)
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def close(self) -> None:
        """Free what the runtime holds; a second call does nothing."""
        self._open = False
        self.runtime.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_runtime(
    bundle: str | Path | Bundle,
    *,
    runtime: str,
    threads: int = 1,
    precision: str = PRECISIONS[0],
    tf32: bool = False,
    on_mismatch: str = MISMATCH_POLICIES[0],
    provider_options: Mapping[str, str] | None = None,
    trust_factory: bool = False,
    trust_engine_code: bool = False,
) -> Model:
    """Open a bundle on one named runtime.

    There is no fall-back to another unless ``on_mismatch="fallback"`` asks for it; then
    ``Model.facts`` says who serves.

    Args:
        bundle: folder that ``spinn-edge export`` wrote, or a loaded :class:`Bundle`.
        runtime: a name from ``spinn-edge runtimes``.
        threads: CPU threads inside one operator. PyTorch keeps this number per process.
        precision: ``fp32``, ``fp16`` or ``int8``: which of the bundle's files of the runtime's
            format.
        tf32: let a GPU round the factors of float32 products to TF32; an engine has this built in.
        on_mismatch: what to do about an engine that does not fit this machine: ``error``,
            ``rebuild`` it from the bundle's ONNX file, or ``fallback`` to ort-cuda, then ort-cpu.
        provider_options: for onnxruntime's CUDA execution provider, in its own words.
        trust_factory: let runtimes that run the bundle's weights import and call the factory that
            the manifest names. Do so only for bundles of your own.
        trust_engine_code: load a version-compatible TensorRT engine, which carries host code. Do so
            only for bundles of your own.

    Returns:
        The open model; use it as a context manager, or call ``close``.

    Raises:
        BundleError: the bundle is damaged.
        IncompatibleBundleError: its file was built for another device or version.
        MissingDependencyError: the runtime's package is not installed.
        RuntimeUnavailableError: the runtime cannot serve this bundle on this machine.
        UsageError: no such runtime, precision or policy, or fewer than one thread.
    """
    loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(Path(bundle))
    options = OpenOptions(
        threads=threads,
        precision=precision,
        tf32=tf32,
        on_mismatch=on_mismatch,
        provider_options=provider_options or {},
        trust_factory=trust_factory,
        trust_engine_code=trust_engine_code,
    )
    return Model(registry.open_backend(runtime, loaded, options))
