"""Choose the engine of a bundle that fits this machine, and load it.

Every check that needs no device comes before the driver is asked, and the driver is asked before
a TensorRT Runtime is made: without a GPU some releases die there by SIGSEGV.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, IncompatibleBundleError, RuntimeUnavailableError
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes.base import only_file
from spinn_edge.runtimes.cuda_driver import DRIVER_ADVICE, CudaDevice, find_device
from spinn_edge.runtimes.trt_backend import (
    EXTRAS,
    Backend,
    export_command,
    last_words,
    load_backend,
    logger_of,
    read_plan,
)

# bfloat16 and the 8-bit and 4-bit floats have no numpy type.
_NUMPY_NAME = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT8": "int8",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "BOOL": "bool",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """The engine of a bundle that fits the installed package and the GPU.

    Attributes:
        backend: the package that built it and will run it.
        entry: its line in the manifest.
        plan: its bytes.
    """

    backend: Backend
    entry: FileEntry
    plan: bytes


def choose_engine(
    bundle: Bundle,
    *,
    load: Callable[[Sequence[str]], Backend] = load_backend,
    find: Callable[[], CudaDevice] = find_device,
) -> EngineChoice:
    """Find the engine that can run here, touching neither TensorRT's Runtime nor the device.

    The order is: file, package, version, driver, GPU. So a bundle that could never run here is
    refused for that reason on a machine without a GPU as well.

    Args:
        bundle: checked bundle.
        load: imports the first of the named packages that is installed.
        find: asks the driver for the GPU.

    Raises:
        BundleError: an engine file is corrupt, or its entry names no package.
        IncompatibleBundleError: engines of another version, or for other GPUs.
        MissingDependencyError: no package that built an engine is installed.
        RuntimeUnavailableError: the bundle holds no engine, or there is no GPU.
    """
    only_file(bundle, "trt")
    entries = bundle.manifest.files_of("trt")
    packages = [name for name in EXTRAS if any(name in entry.toolchain for entry in entries)]
    if not packages:
        raise BundleError(
            f"{bundle.root}: no trt file names the package that built it, expected "
            f"{' or '.join(EXTRAS)} in its toolchain; export again with: {export_command(bundle)}"
        )
    backend = load(packages)
    ours = [entry for entry in entries if backend.name in entry.toolchain]
    plans = [read_plan(bundle, entry, backend) for entry in ours]
    try:
        device = find()
    except RuntimeUnavailableError as exc:
        raise RuntimeUnavailableError(
            f"{bundle.root} cannot run on TensorRT here: {exc}.\n{DRIVER_ADVICE}"
        ) from exc
    for entry, plan in zip(ours, plans, strict=True):
        if entry.details.get("compute_capability") == device.sm:
            return EngineChoice(backend=backend, entry=entry, plan=plan)
    built_for = ", ".join(str(entry.details.get("compute_capability")) for entry in ours)
    raise IncompatibleBundleError(
        f"{device.name} is {device.sm}, the engines in {bundle.root} are for {built_for}; "
        f"build one for it with: {export_command(bundle)}"
    )


@dataclass(slots=True, kw_only=True)
class LoadedEngine:
    """A deserialized engine with its context; freed in the order context, engine, runtime.

    Attributes:
        context: IExecutionContext.
        engine: ICudaEngine that made the context.
        runtime: IRuntime that made the engine.
    """

    context: Any
    engine: Any
    runtime: Any

    def free(self) -> None:
        """Let go of all three; nothing they started may still run."""
        self.context = None
        self.engine = None
        self.runtime = None


def load_engine(
    choice: EngineChoice, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> LoadedEngine:
    """Deserialize an engine, check its tensors against the manifest, make its context.

    Call it only where :func:`choose_engine` found a GPU.

    Args:
        choice: what to load.
        inputs: of the manifest.
        outputs: of the manifest.

    Raises:
        BundleError: the engine's tensors are not the manifest's.
        RuntimeUnavailableError: TensorRT refused; carries its last words.
    """
    backend, path = choice.backend, choice.entry.path
    logger = logger_of(backend)
    logger.messages.clear()
    try:
        runtime = backend.module.Runtime(logger)
    except TypeError as exc:  # how pybind11 says that the factory returned nothing
        raise RuntimeUnavailableError(
            f"{backend.name} makes no Runtime here: {last_words(backend, str(exc))}"
        ) from exc
    engine = runtime.deserialize_cuda_engine(choice.plan)
    if engine is None:
        raise RuntimeUnavailableError(
            f"{backend.name} {backend.version} cannot load {path}: "
            f"{last_words(backend, 'no reason given')}"
        )
    _check_tensors(choice, engine, inputs, outputs)
    if backend.is_rtx:
        context = engine.create_execution_context(engine.create_runtime_config())
    else:
        context = engine.create_execution_context()
    if context is None:
        raise RuntimeUnavailableError(
            f"{backend.name} makes no context for {path} (out of device memory?): "
            f"{last_words(backend, 'no reason given')}"
        )
    return LoadedEngine(context=context, engine=engine, runtime=runtime)


def profile_batches(bundle: Bundle, entry: FileEntry) -> tuple[int, int]:
    """Return the smallest and the largest batch that the engine's profile allows.

    Raises:
        BundleError: the entry does not say.
    """
    try:
        ranges = [entry.details["profile"][spec.name] for spec in bundle.manifest.inputs]
        return (
            max(int(bounds["min"][0]) for bounds in ranges),
            min(int(bounds["max"][0]) for bounds in ranges),
        )
    except (KeyError, IndexError, TypeError, ValueError) as exc:
        raise BundleError(
            f"{bundle.root}: the manifest gives no profile for every input of {entry.path}; "
            f"export again with: {export_command(bundle)}"
        ) from exc


def _check_tensors(
    choice: EngineChoice, engine: Any, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> None:
    module = choice.backend.module
    modes = dict.fromkeys((spec.name for spec in inputs), module.TensorIOMode.INPUT)
    modes |= dict.fromkeys((spec.name for spec in outputs), module.TensorIOMode.OUTPUT)
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    if {name: engine.get_tensor_mode(name) for name in names} != modes:
        raise BundleError(
            f"{choice.entry.path} has the tensors {sorted(names)}, the manifest {sorted(modes)}"
        )
    for spec in (*inputs, *outputs):
        built = engine.get_tensor_dtype(spec.name).name
        if _NUMPY_NAME.get(built) != spec.dtype.name:
            raise BundleError(
                f"{choice.entry.path}: '{spec.name}' is {built} in the engine, "
                f"{spec.dtype.name} in the manifest"
            )
        if engine.get_tensor_location(spec.name) != module.TensorLocation.DEVICE:
            raise BundleError(
                f"{choice.entry.path}: '{spec.name}' is a shape tensor in host memory, "
                "which spinn-edge does not run"
            )
