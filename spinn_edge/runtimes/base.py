"""The one interface that every runtime implements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import RuntimeUnavailableError, UsageError
from spinn_edge.core.manifest import PRECISIONS, FileEntry
from spinn_edge.core.tensors import Array, Feeds, TensorSpec

PRECISIONS_OF = {
    "torchscript": ("fp32", "fp16"),
    "pt2": ("fp32", "fp16"),
    "onnx": PRECISIONS,
    "trt": PRECISIONS,
}
"""What a format can be written in; a format that is not named here, in the first precision."""

MISMATCH_POLICIES = ("error", "rebuild", "fallback")
"""What may be done about an engine that does not fit this machine; the first is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFacts:
    """What really loaded, as far as a table must say it.

    Attributes:
        file: path in the bundle of the file that was loaded; empty where none was.
        device: ``cpu``, or name and compute capability of the GPU.
        tf32: float32 products may be rounded to TF32; None where the device has no such mode.
        cuda_graph: inferences are replayed as a CUDA graph.
        min_batch: smallest batch that it accepts.
        max_batch: largest; None where nothing bounds it.
        served_by: name of the runtime that stands in for the one that was asked for; empty when
            it is that one itself.
        notices: sentences that belong beside every figure of this runtime.
    """

    file: str = ""
    device: str = "cpu"
    tf32: bool | None = None
    cuda_graph: bool = False
    min_batch: int = 1
    max_batch: int | None = None
    served_by: str = ""
    notices: tuple[str, ...] = ()


class Runtime(Protocol):
    """A loaded model on one device. Not thread-safe: one caller at a time.

    The order of calls is ``bind``, ``run`` (as often as wanted), ``sync``, ``fetch``. ``fetch``
    waits by itself; ``sync`` is for callers who want the end of a run and no outputs.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    facts: RuntimeFacts

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
        """Wait for the started inferences; copy the outputs to new host arrays.

        No later run overwrites them.
        """

    def close(self) -> None:
        """Free what was allocated; a second call does nothing."""


LEAD_RUNS = 2
"""Inferences that are started right before one that is timed on the device, and not timed. They
keep the device at work while the host starts the rest: what an event then shows is the device's own
time, unless the host is slower than the device, which is what launch-bound means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStages:
    """Where one inference spends its time on the device, between events on its stream, seconds.

    Attributes:
        upload_s: copies from pinned host memory to the device.
        compute_s: the inference itself, copies left out.
        download_s: copies from the device to pinned host memory.
    """

    upload_s: float
    compute_s: float
    download_s: float


@runtime_checkable
class DeviceRuntime(Runtime, Protocol):
    """A runtime that can time itself on its device."""

    def time_stages(self) -> DeviceStages:
        """Copy the bound inputs to the device, run, copy the outputs back; wait for the end.

        Events stand between the three, behind ``LEAD_RUNS`` inferences that are not timed.

        Raises:
            InferenceError: nothing is bound, or the device refused.

        Source: CUDA Runtime API, "Event Management": the time between two events on one stream,
        resolution about half a microsecond.
        """

    def count_launches(self) -> int | None:
        """Return how many kernels one inference on the bound inputs launches; None if unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOptions:
    """What the caller may choose when a bundle is opened.

    Attributes:
        threads: CPU threads inside one operator. PyTorch keeps this number per process.
        precision: which of the bundle's files of a format, one of ``PRECISIONS``.
        spinning: let ONNX Runtime's worker threads on the CPU wait busily for the next operator,
            which takes a core for less latency; None leaves it to the library. Other runtimes have
            no such switch, and with one thread nobody waits.
        tf32: let a GPU round the factors of float32 products to TF32. An engine has this built in.
        on_mismatch: one of ``MISMATCH_POLICIES``, for an engine that does not fit this machine:
            raise, build it again from the bundle's ONNX file, or let the runtimes that its
            registry line names stand in.
        provider_options: for the execution provider of ``ort-cuda``, as onnxruntime spells them.
        trust_factory: import and call the factory that the manifest names.
        trust_engine_code: load a version-compatible TensorRT engine, which carries host code.

    Raises:
        UsageError: an unknown precision or policy.
    """

    threads: int = 1
    precision: str = PRECISIONS[0]
    spinning: bool | None = None
    tf32: bool = False
    on_mismatch: str = MISMATCH_POLICIES[0]
    provider_options: Mapping[str, str] = field(default_factory=dict)
    trust_factory: bool = False
    trust_engine_code: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("precision", self.precision, PRECISIONS),
            ("on-mismatch", self.on_mismatch, MISMATCH_POLICIES),
        ):
            if value not in known:
                raise UsageError(f"--{name} {value}: expected one of {', '.join(known)}")


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
        stand_ins: runtimes that take its place, in this order, where the caller allows that.
    """

    format: str
    opener: str
    probe: str
    stand_ins: tuple[str, ...] = ()


Opener = Callable[[Bundle, OpenOptions], Runtime]
Probe = Callable[[], Availability]


def infer(runtime: Runtime, feeds: Feeds) -> dict[str, Array]:
    """Run one inference from host arrays to host arrays (bind, run, fetch)."""
    runtime.bind(feeds)
    runtime.run()
    return runtime.fetch()


def only_file(bundle: Bundle, format_name: str, precision: str = PRECISIONS[0]) -> FileEntry:
    """Return the bundle's first file of one format and precision.

    Raises:
        RuntimeUnavailableError: the bundle holds none; names the command that adds it.
    """
    entries = bundle.manifest.files_of(format_name, precision)
    known = PRECISIONS_OF.get(format_name, PRECISIONS[:1])
    if not entries and precision not in known:
        able = [name for name, precisions in PRECISIONS_OF.items() if precision in precisions]
        raise RuntimeUnavailableError(
            f"{format_name} files are {' or '.join(known)}; {precision} is for "
            f"{', '.join(able)} files"
        )
    if not entries:
        wanted = "" if precision == PRECISIONS[0] else f" --precision {precision}"
        raise RuntimeUnavailableError(
            f"{bundle.name} holds no {precision} {format_name} file; add it with: "
            f"spinn-edge export MODEL --format {format_name}{wanted} --out BUNDLE"
        )
    return entries[0]
