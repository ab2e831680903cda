"""The one interface that every runtime implements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import RuntimeUnavailableError
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.tensors import Array, Feeds, TensorSpec


class Runtime(Protocol):
    """A loaded model on one device. Not thread-safe: one caller at a time.

    The order of calls is ``bind``, ``run`` (as often as wanted), ``sync``, ``fetch``.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def bind(self, feeds: Feeds) -> None:
        """Check ``feeds`` (host arrays, shape (batch, ...)) and copy them to the device.

        Raises:
            InferenceError: a name, shape or dtype does not fit.
        """

    def run(self) -> None:
        """Start one inference on the bound inputs; may return before it ends.

        Raises:
            InferenceError: the runtime refused or failed.
        """

    def sync(self) -> None:
        """Block until every started inference has ended."""

    def fetch(self) -> dict[str, Array]:
        """Copy the outputs to new host arrays that no later run overwrites."""

    def close(self) -> None:
        """Free what was allocated; a second call does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOptions:
    """What the caller may choose when a bundle is opened.

    Attributes:
        threads: CPU threads inside one operator. PyTorch keeps this number per process.
        trust_factory: import and call the factory that the manifest names.
    """

    threads: int = 1
    trust_factory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """Whether a runtime can work on this machine.

    Attributes:
        version: of the package behind it; None when it is not installed.
        reason: why it cannot work; None when it can.
        install: what to type to change that; empty when nothing is missing.
    """

    version: str | None
    reason: str | None = None
    install: str = ""

    @property
    def available(self) -> bool:
        """True when nothing stands against it."""
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeEntry:
    """A registry line; also what an entry point of group ``spinn_edge.runtimes`` must name.

    Attributes:
        format: format of the bundle file that it runs.
        opener: ``module:function`` taking (Bundle, OpenOptions), returning a :class:`Runtime`.
        probe: ``module:function`` taking nothing, returning an :class:`Availability`.
    """

    format: str
    opener: str
    probe: str


Opener = Callable[[Bundle, OpenOptions], Runtime]
Probe = Callable[[], Availability]


def infer(runtime: Runtime, feeds: Feeds) -> dict[str, Array]:
    """Run one inference from host arrays to host arrays (bind, run, sync, fetch)."""
    runtime.bind(feeds)
    runtime.run()
    runtime.sync()
    return runtime.fetch()


def only_file(bundle: Bundle, format_name: str) -> FileEntry:
    """Return the bundle's file of one format.

    Raises:
        RuntimeUnavailableError: the bundle holds none; names the command that adds it.
    """
    entries = bundle.manifest.files_of(format_name)
    if not entries:
        raise RuntimeUnavailableError(
            f"{bundle.name} holds no {format_name} file; add it with: "
            f"spinn-edge export MODEL --format {format_name} --out BUNDLE"
        )
    return entries[0]
