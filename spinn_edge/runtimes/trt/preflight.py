"""Choose the engine of a bundle that fits this machine, before anything of TensorRT is touched.

The driver is asked first, before a package is imported and before a TensorRT Runtime is made:
without a GPU some releases die there by SIGSEGV. Then package, version, GPU, engine file and ONNX
hash, so that each mismatch is said in words that name both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import (
    BundleError,
    IncompatibleBundleError,
    MissingDependencyError,
    RuntimeUnavailableError,
    SpinnEdgeError,
    install_command,
)
from spinn_edge.core.manifest import FileEntry
from spinn_edge.runtimes.base import OpenOptions, only_file
from spinn_edge.runtimes.nvidia.driver import DRIVER_ADVICE, CudaDevice, find_device
from spinn_edge.runtimes.trt.backend import (
    ENTERPRISE,
    EXTRAS,
    Backend,
    check_version,
    export_command,
    load_backend,
    read_plan,
    ways_out,
)
from spinn_edge.runtimes.trt.builder import known_targets
from spinn_edge.runtimes.trt.rebuild import rebuild

AMPERE = (8, 0)
"""Compute capability from which on a hardware-compatible engine runs."""

Load = Callable[[Sequence[str]], Backend]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """The engine that fits the installed package and the GPU.

    Attributes:
        backend: the package that built it and will run it.
        entry: its line in the manifest, or one like it where it was built again.
        plan: its bytes.
        device: the GPU that it will run on.
        rebuilt: why it is not the bundle's own engine but was built again here; empty when it is.
    """

    backend: Backend
    entry: FileEntry
    plan: bytes
    device: CudaDevice
    rebuilt: str = ""


def choose_engine(
    bundle: Bundle,
    options: OpenOptions,
    *,
    load: Load = load_backend,
    find: Callable[[], CudaDevice] = find_device,
) -> EngineChoice:
    """Find the engine that can run here, touching neither TensorRT's Runtime nor the device.

    Args:
        bundle: checked bundle.
        options: which precision, and whether an engine that does not fit may be built again.
        load: imports the first of the named packages that is installed.
        find: asks the driver for the GPU.

    Raises:
        BundleError: an engine file is corrupt, or its entry names no package.
        IncompatibleBundleError: engines of another version, for other GPUs, or of another ONNX
            file; or building one again failed as well.
        MissingDependencyError: no package that built an engine is installed, nor the other one.
        RuntimeUnavailableError: the bundle holds no engine, or there is no GPU.
    """
    only_file(bundle, "trt", options.precision)
    try:
        device = find()
    except RuntimeUnavailableError as exc:
        raise RuntimeUnavailableError(f"TensorRT cannot run here: {exc}.\n{DRIVER_ADVICE}") from exc
    try:
        return _bundled_engine(bundle, options, device, load)
    except BundleError as exc:
        if options.on_mismatch != "rebuild":
            raise
        return _rebuilt_engine(bundle, options, device, load, exc)


def _bundled_engine(
    bundle: Bundle, options: OpenOptions, device: CudaDevice, load: Load
) -> EngineChoice:
    entries = bundle.manifest.files_of("trt", options.precision)
    backend = _package_of(bundle, entries, load)
    entry = _entry_for(bundle, _of_this_version(bundle, entries, backend), device, backend)
    plan = read_plan(bundle, entry, backend)
    _check_onnx(bundle, entry)
    return EngineChoice(backend=backend, entry=entry, plan=plan, device=device)


def _rebuilt_engine(
    bundle: Bundle, options: OpenOptions, device: CudaDevice, load: Load, mismatch: BundleError
) -> EngineChoice:
    why = str(mismatch).splitlines()[0]
    try:
        rebuilt = rebuild(bundle, options.precision, device, load)
    except SpinnEdgeError as exc:
        raise IncompatibleBundleError(f"{why}; building it again failed as well: {exc}") from exc
    if not rebuilt.kept:
        why = f"{why}; it cannot be kept beside the bundle, so every start builds it again"
    return EngineChoice(
        backend=rebuilt.backend, entry=rebuilt.entry, plan=rebuilt.plan, device=device, rebuilt=why
    )


def _package_of(bundle: Bundle, entries: Sequence[FileEntry], load: Load) -> Backend:
    """Import the package that built the engines."""
    builders = [name for name in EXTRAS if any(name in entry.toolchain for entry in entries)]
    precision = entries[0].precision
    if not builders:
        raise BundleError(
            f"{bundle.root}: no trt file names the package that built it, expected "
            f"{' or '.join(EXTRAS)} in its toolchain\n"
            f"Export again with: {export_command(bundle, precision)}"
        )
    try:
        return load(builders)
    except MissingDependencyError as missing:
        others = [name for name in EXTRAS if name not in builders]
        try:
            installed = load(others) if others else None
        except MissingDependencyError:
            installed = None
        if installed is None:
            raise
        built_by = entries[0].toolchain.get(builders[0], "")
        raise IncompatibleBundleError(
            f"{bundle.path_of(entries[0])} was built by {builders[0]} {built_by}, installed is "
            f"{installed.name} {installed.version}; neither runs an engine of the other\n"
            f"Install {builders[0]} with: {install_command(EXTRAS[builders[0]])}, or: "
            f"{ways_out(bundle, precision)}"
        ) from missing


def _of_this_version(
    bundle: Bundle, entries: Sequence[FileEntry], backend: Backend
) -> list[FileEntry]:
    fitting, refusals = [], []
    for entry in entries:
        if backend.name in entry.toolchain:
            try:
                check_version(bundle, entry, backend)
            except IncompatibleBundleError as exc:
                refusals.append(exc)
            else:
                fitting.append(entry)
    if not fitting:
        raise refusals[0]
    return fitting


def _entry_for(
    bundle: Bundle, entries: Sequence[FileEntry], device: CudaDevice, backend: Backend
) -> FileEntry:
    """Return the engine for this very GPU, else a hardware-compatible one."""
    for entry in entries:
        if entry.details.get("compute_capability") == device.sm:
            return entry
    major, _, minor = device.compute_capability.partition(".")
    if not backend.is_rtx and (int(major), int(minor or 0)) >= AMPERE:
        for entry in entries:
            if entry.details.get("hardware_compatible"):
                return entry
    built_for = ", ".join(
        f"{entry.details.get('compute_capability')}"
        + (" and newer from SM80 on" if entry.details.get("hardware_compatible") else "")
        for entry in entries
    )
    both = f"{device.name} is {device.sm}, the engines in {bundle.root} are for {built_for}"
    if backend.is_rtx and device.sm not in known_targets(backend):
        raise IncompatibleBundleError(
            f"{both}; {backend.name} {backend.version} builds none for {device.sm}\n"
            f"Install the package that does: {install_command(EXTRAS[ENTERPRISE])}, and then: "
            f"{ways_out(bundle, entries[0].precision)}"
        )
    more = f" --compute-capability {device.sm}" if backend.is_rtx else ""
    raise IncompatibleBundleError(f"{both}\n{ways_out(bundle, entries[0].precision, more)}")


def _check_onnx(bundle: Bundle, entry: FileEntry) -> None:
    """Refuse an engine that was built from another graph than the bundle now holds.

    A bundle whose ONNX file was left out, to be small, has nothing to compare with.
    """
    for onnx in bundle.manifest.files_of("onnx", entry.precision):
        built_from = str(entry.details.get("onnx_sha256"))
        if built_from != onnx.sha256:
            raise IncompatibleBundleError(
                f"{bundle.path_of(entry)} was built from an ONNX file with sha256 "
                f"{built_from[:12]}…, {onnx.path} in the bundle has {onnx.sha256[:12]}…\n"
                f"{ways_out(bundle, entry.precision)}"
            )
