"""The packages that speak TensorRT's API, and what a serialized engine says about itself.

Three packages share one API family: ``tensorrt`` 10.x (JetPack 6 stays there), ``tensorrt`` 11.x
and ``tensorrt_rtx`` 1.x. Integers of their enums differ between versions, so none is stored.
"""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, IncompatibleBundleError, MissingDependencyError
from spinn_edge.core.manifest import PRECISIONS, FileEntry
from spinn_edge.core.optional import require

RTX = "tensorrt_rtx"
ENTERPRISE = "tensorrt"
EXTRAS = {RTX: "trt-rtx", ENTERPRISE: "trt"}

_MAGIC = b"vtrt"
_LENGTH = slice(16, 24)
_VERSION = slice(24, 28)
_KEPT_MESSAGES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One imported package.

    Attributes:
        module: the package.
        name: ``tensorrt`` or ``tensorrt_rtx``; also the key in a manifest's ``toolchain``.
        version: of the package, as it spells it.
    """

    module: Any
    name: str
    version: str

    @property
    def is_rtx(self) -> bool:
        """True for TensorRT for RTX, which builds without a GPU."""
        return self.name == RTX

    @property
    def extra(self) -> str:
        """The extra of this package that brings it."""
        return EXTRAS[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineHeader:
    """First bytes of a serialized TensorRT-RTX engine.

    Attributes:
        magic_ok: the file begins as an engine does.
        length: bytes that the whole file should have.
        version: version of the package that built it, four numbers of one byte each; empty when
            the file is too short to say.
    """

    magic_ok: bool
    length: int
    version: tuple[int, ...]


def load_backend(prefer: Sequence[str] = (RTX, ENTERPRISE)) -> Backend:
    """Import the first of ``prefer`` that is installed.

    Args:
        prefer: keys of ``EXTRAS``, best first.

    Raises:
        MissingDependencyError: none can be imported; speaks of the first.
    """
    missing = []
    for name in prefer:
        try:
            module = require(name, extra=EXTRAS[name])
        except MissingDependencyError as exc:
            missing.append(exc)
            continue
        return Backend(module=module, name=name, version=str(module.__version__))
    raise missing[0]


@functools.cache
def logger_of(backend: Backend) -> Any:
    """Return the ILogger of ``backend``, one for the life of the process.

    Returns:
        An ILogger whose ``messages`` are the last ones of severity WARNING and worse.

    Source: TensorRT API, ``IRuntime`` and ``IBuilder``: the logger must outlive every object made
    through it, and the first one given is used by the whole process. Hence the cache.
    """
    logger_type = backend.module.ILogger
    severity = logger_type.Severity
    kept = (severity.INTERNAL_ERROR, severity.ERROR, severity.WARNING)

    class Logger(logger_type):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            logger_type.__init__(self)  # pybind11 advises against super() here
            self.messages: deque[str] = deque(maxlen=_KEPT_MESSAGES)

        def log(self, severity: Any, message: str) -> None:
            if severity in kept:
                self.messages.append(f"{severity.name}: {message.strip()}")

    return Logger()


def last_words(backend: Backend, otherwise: str) -> str:
    """Return what the logger kept, or ``otherwise`` if it kept nothing."""
    return "\n".join(logger_of(backend).messages) or otherwise


def read_header(plan: bytes) -> EngineHeader:
    """Read the first bytes of a serialized engine; never fails.

    Source: observed on engines of tensorrt_rtx 1.7.1.116; NVIDIA documents no layout.
    """
    return EngineHeader(
        magic_ok=plan.startswith(_MAGIC),
        length=int.from_bytes(plan[_LENGTH], "little"),
        version=tuple(plan[_VERSION]) if len(plan) >= _VERSION.stop else (),
    )


def check_version(bundle: Bundle, entry: FileEntry, backend: Backend) -> None:
    """Refuse an engine that another release built, by what the manifest says.

    Raises:
        IncompatibleBundleError: names both versions.

    Source: NVIDIA TensorRT 11.1 documentation, "Engine Compatibility, Version Compatibility": an
    engine runs only on the release that built it; one that was built version-compatible also runs
    on later releases, those of 10 on 11 included, and never on earlier ones.
    """
    built_by = version_numbers(entry.toolchain[backend.name])
    installed = version_numbers(backend.version)
    if entry.details.get("version_compatible"):
        fits = _not_older(built_by, installed)
    else:
        fits = _same(built_by, installed)
    if not fits:
        raise _of_another_version(bundle, entry, backend, built_by)


def read_plan(bundle: Bundle, entry: FileEntry, backend: Backend) -> bytes:
    """Read an engine file and refuse what is no whole engine of ``backend``, touching no device.

    Only TensorRT-RTX engines are judged by their first bytes: those of ``tensorrt`` were never
    observed here, so for them the manifest's hash is all there is.

    Raises:
        BundleError: the file is no whole engine.
        IncompatibleBundleError: its header names another version than the one installed.
    """
    path = bundle.path_of(entry)
    plan = path.read_bytes()
    if not backend.is_rtx:
        return plan
    header = read_header(plan)
    if not header.magic_ok or not header.version:
        raise BundleError(
            f"{path} is no TensorRT-RTX engine (it begins with {plan[:4]!r}, expected {_MAGIC!r})\n"
            f"{_instead_of_damaged(bundle, entry)}"
        )
    if header.length != len(plan):
        raise BundleError(
            f"{path} has {len(plan)} bytes, its header says {header.length}: it is truncated or "
            f"corrupt\n{_instead_of_damaged(bundle, entry)}"
        )
    # A header keeps one byte of each number.
    if not _same(header.version, tuple(n % 256 for n in version_numbers(backend.version))):
        raise _of_another_version(bundle, entry, backend, header.version)
    return plan


def version_numbers(version: str) -> tuple[int, ...]:
    """Return ``(1, 7, 1, 116)`` for ``1.7.1.116``; at most four numbers."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:4])


def export_command(bundle: Bundle, precision: str = PRECISIONS[0]) -> str:
    """Return what to type to build the engines of ``bundle`` again."""
    wanted = "" if precision == PRECISIONS[0] else f" --precision {precision}"
    return f"spinn-edge export {bundle.root} --format trt{wanted} --out NEW_BUNDLE"


def ways_out(bundle: Bundle, precision: str, more: str = "") -> str:
    """Return the second line of a refusal: what to type next.

    Args:
        bundle: holds the engine that cannot be used.
        precision: of that engine.
        more: further options of the export.
    """
    return (
        f"Build it again with: {export_command(bundle, precision)}{more}\n"
        "or run with --on-mismatch rebuild (build it here, from the bundle's ONNX file) or "
        "--on-mismatch fallback (onnxruntime stands in)"
    )


def _instead_of_damaged(bundle: Bundle, entry: FileEntry) -> str:
    # No fall-back: that is for machines that an engine does not fit, not for damage.
    return (
        f"Build it again with: {export_command(bundle, entry.precision)}\n"
        "or run with --on-mismatch rebuild (build it here, from the bundle's ONNX file)"
    )


def _of_another_version(
    bundle: Bundle, entry: FileEntry, backend: Backend, built_by: tuple[int, ...]
) -> IncompatibleBundleError:
    version = ".".join(map(str, built_by)) or f"'{entry.toolchain[backend.name]}'"
    allowed = (
        "a version-compatible engine runs on this and later releases"
        if entry.details.get("version_compatible")
        else "an engine runs only on the version that built it"
    )
    return IncompatibleBundleError(
        f"{bundle.path_of(entry)} was built by {backend.name} {version}, installed is "
        f"{backend.version}; {allowed}\n"
        f"Install that version, or: {ways_out(bundle, entry.precision)}"
    )


def _not_older(built_by: tuple[int, ...], installed: tuple[int, ...]) -> bool:
    both = min(len(built_by), len(installed))
    return both > 0 and installed[:both] >= built_by[:both]


def _same(built_by: tuple[int, ...], installed: tuple[int, ...]) -> bool:
    # JetPack's package leaves out the fourth number: compare those that both give.
    pairs = list(zip(built_by, installed, strict=False))
    return len(pairs) >= 3 and all(ours == theirs for ours, theirs in pairs)
