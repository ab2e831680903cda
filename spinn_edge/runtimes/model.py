"""What an application embeds: a bundle, opened on one runtime, called like a function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError
from spinn_edge.core.tensors import Array, Feeds, TensorSpec
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, Runtime, infer


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
    trust_factory: bool = False,
) -> Model:
    """Open a bundle on one named runtime. There is no fall-back to another.

    Args:
        bundle: folder that ``spinn-edge export`` wrote, or a loaded :class:`Bundle`.
        runtime: a name from ``spinn-edge runtimes``.
        threads: CPU threads inside one operator. PyTorch keeps this number per process.
        trust_factory: let ``eager`` and ``compile`` import and call the factory that the
            manifest names. Do so only for bundles of your own.

    Returns:
        The open model; use it as a context manager, or call ``close``.

    Raises:
        BundleError: the bundle is damaged.
        IncompatibleBundleError: its file was built for another device or version.
        MissingDependencyError: the runtime's package is not installed.
        RuntimeUnavailableError: the runtime cannot serve this bundle on this machine.
        UsageError: no such runtime, or fewer than one thread.
    """
    loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(Path(bundle))
    options = OpenOptions(threads=threads, trust_factory=trust_factory)
    return Model(registry.open_backend(runtime, loaded, options))
