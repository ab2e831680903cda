"""A deserialized engine, checked against the manifest, that makes execution contexts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, InferenceError, RuntimeUnavailableError
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes.trt.backend import Backend, export_command, last_words, logger_of
from spinn_edge.runtimes.trt.preflight import EngineChoice

_PROFILE = 0  # the one that the manifest describes

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

Shapes = dict[str, tuple[int, ...]]


class LoadedEngine:
    """A deserialized engine and the runtime that holds it.

    Attributes:
        backend: the package.
        path: of the engine in the bundle, for messages.
        engine: ICudaEngine; None after :meth:`free`.
    """

    def __init__(self, backend: Backend, path: str, runtime: Any, engine: Any) -> None:
        """Keep both alive."""
        self.backend = backend
        self.path = path
        self.engine = engine
        self._runtime = runtime

    def make_context(self, stream: int, runtime_config: Any = None) -> Any:
        """Return a new IExecutionContext.

        Args:
            stream: on which it will run.
            runtime_config: IRuntimeConfig, which only ``tensorrt_rtx`` takes.

        Raises:
            InferenceError: TensorRT refused.
        """
        engine = self.engine
        if runtime_config is None:
            context = engine.create_execution_context()
        else:
            context = engine.create_execution_context(runtime_config)
        if context is None:
            raise InferenceError(
                self.refusal(
                    f"{self.backend.name} makes no context for {self.path} (out of device memory?)"
                )
            )
        # The only profile of an engine is selected by itself; among several none is certain to be.
        several = engine.num_optimization_profiles > 1
        if several and not context.set_optimization_profile_async(_PROFILE, stream):
            del context  # the exception keeps this frame
            raise InferenceError(self.refusal(f"TensorRT refused profile {_PROFILE}"))
        return context

    def refusal(self, what: str) -> str:
        """Return ``what`` with TensorRT's last words behind it."""
        return f"{what}: {last_words(self.backend, 'no reason given')}"

    def free(self) -> None:
        """Let go of engine and runtime, in this order; every context of it must be gone."""
        self.engine = None
        self._runtime = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What shapes an engine was built for.

    Attributes:
        ranges: smallest and largest shape of every input.
    """

    ranges: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]

    @property
    def batches(self) -> tuple[int, int]:
        """The smallest and the largest batch that every input allows."""
        smallest, largest = zip(*self.ranges.values(), strict=True)
        return max(shape[0] for shape in smallest), min(shape[0] for shape in largest)

    def check(self, shapes: Shapes) -> None:
        """Refuse shapes that the engine was not built for.

        Args:
            shapes: of every input, with as many axes as the manifest says and one batch size.

        Raises:
            InferenceError: names what was given and what is allowed.
        """
        smallest, largest = self.batches
        batch = next(iter(shapes.values()))[0]
        if not smallest <= batch <= largest:
            raise InferenceError(
                f"{batch} samples given, the engine's profile allows {smallest}..{largest}; "
                "split the batch, or export again with a larger --max-batch"
            )
        for name, shape in shapes.items():
            low, high = self.ranges[name]
            if not all(a <= size <= b for a, size, b in zip(low, shape, high, strict=True)):
                raise InferenceError(
                    f"input '{name}' has shape {list(shape)}, the engine's profile allows "
                    f"{list(low)} to {list(high)}; give a shape in between"
                )


def load_engine(
    choice: EngineChoice,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    *,
    trust_engine_code: bool = False,
) -> LoadedEngine:
    """Deserialize an engine and check its tensors against the manifest.

    Call it only where :func:`spinn_edge.runtimes.trt.preflight.choose_engine` found a GPU.

    Args:
        choice: what to load.
        inputs: of the manifest; those of an fp16 engine are float32 as well.
        outputs: of the manifest.
        trust_engine_code: a version-compatible engine may be loaded.

    Raises:
        BundleError: the engine's tensors are not the manifest's.
        RuntimeUnavailableError: the engine carries code that is not trusted, or TensorRT refused;
            carries its last words.

    Source: TensorRT documentation, "Version Compatibility": such an engine carries a copy of the
    runtime as host code, which is loaded only where ``engine_host_code_allowed`` is set.
    """
    backend, path = choice.backend, choice.entry.path
    carries_code = bool(choice.entry.details.get("version_compatible"))
    if carries_code and not trust_engine_code:
        raise RuntimeUnavailableError(
            f"{path} is version-compatible: it carries code that runs on this computer's own "
            "processor. If you trust whoever built it, add: --trust-engine-code"
        )
    logger = logger_of(backend)
    logger.messages.clear()
    try:
        runtime = backend.module.Runtime(logger)
    except TypeError as exc:  # how pybind11 says that the factory returned nothing
        raise RuntimeUnavailableError(
            f"{backend.name} makes no Runtime here: {last_words(backend, str(exc))}"
        ) from exc
    if carries_code:
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(choice.plan)
    if engine is None:
        raise RuntimeUnavailableError(
            f"{backend.name} {backend.version} cannot load {path}: "
            f"{last_words(backend, 'no reason given')}"
        )
    _check_tensors(choice, engine, inputs, outputs)
    return LoadedEngine(backend, path, runtime, engine)


def profile_of(bundle: Bundle, entry: FileEntry) -> Profile:
    """Return the shapes that the manifest gives for an engine.

    Raises:
        BundleError: the entry does not say.
    """
    try:
        ranges = {}
        for spec in bundle.manifest.inputs:
            bounds = entry.details["profile"][spec.name]
            low, high = (tuple(map(int, bounds[end])) for end in ("min", "max"))
            if not len(low) == len(high) == len(spec.shape) > 0:
                raise ValueError(spec.name)
            ranges[spec.name] = (low, high)
    except (KeyError, TypeError, ValueError) as exc:
        raise BundleError(
            f"{bundle.root}: the manifest gives no profile for every input of {entry.path}; "
            f"export again with: {export_command(bundle, entry.precision)}"
        ) from exc
    return Profile(ranges)


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
