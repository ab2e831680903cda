"""Build one TensorRT engine from an ONNX file: no torch, no onnx package.

An edge box builds again with this file what does not fit it. Networks are strongly typed: the ONNX
graph decides the precision, no flag does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinn_edge.core.errors import ExportError, UsageError
from spinn_edge.runtimes.trt.backend import Backend, last_words, logger_of
from spinn_edge.runtimes.trt.cache import EngineCache
from spinn_edge.runtimes.trt.recipe import EngineOptions, EngineRecipe
from spinn_edge.runtimes.trt.refusal import build_refusal, parser_refusal

_TIMINGS = "timing"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltEngine:
    """What came out of a build.

    Attributes:
        plan: the serialized engine.
        timing_cache: kernel timings for the next build; empty for ``tensorrt_rtx``, which times
            nothing when it builds.
        messages: the builder's warnings, in order.
    """

    plan: bytes
    timing_cache: bytes
    messages: tuple[str, ...]


def build_plan(
    backend: Backend, onnx_path: Path, recipe: EngineRecipe, timing_cache: bytes = b""
) -> BuiltEngine:
    """Build one engine.

    All TensorRT objects live and die in here, one parser for one network: a second parser over a
    network crashed when it was torn down.

    Equal graphs give equal bytes, but for one case observed with tensorrt_rtx 1.7.1.116: after a
    build that failed in the compiler (float32 for SM75), the next engine of the same process
    carries 285 kB of the failed one's kernel sources. So build the next one in a new process.

    Args:
        backend: package to build with.
        onnx_path: the graph; weights may lie beside it.
        recipe: everything else.
        timing_cache: what an earlier build returned; one that does not fit is left unused.

    Raises:
        ExportError: TensorRT refused; names the node where it says which, and carries its words.
        UsageError: the package has no such engines.
    """
    check_supported(backend, recipe)
    module = backend.module
    logger = logger_of(backend)
    logger.messages.clear()
    try:
        builder = module.Builder(logger)
    except TypeError as exc:  # how pybind11 says that the factory returned nothing
        raise ExportError(
            f"{backend.name} makes no Builder here: {last_words(backend, str(exc))}"
        ) from exc
    network = builder.create_network(1 << int(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = module.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx_path)):  # from file: weights may lie beside it
        refusal = parser_refusal(parser)
        raise ExportError(
            f"{backend.name} {backend.version} cannot read {onnx_path.name}: {refusal}"
        )
    found = [network.get_input(index).name for index in range(network.num_inputs)]
    if sorted(found) != sorted(recipe.profile):
        raise ExportError(
            f"{onnx_path.name} has the inputs {found}, the model {sorted(recipe.profile)}"
        )
    config = _configure(backend, builder, recipe)
    timings = None if backend.is_rtx else _attach_timings(config, timing_cache)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        words = build_refusal(network, last_words(backend, "no reason given"), recipe)
        raise ExportError(
            f"{backend.name} {backend.version} builds no engine of {onnx_path.name} for "
            f"{recipe.compute_capability}: {words}"
        )
    return BuiltEngine(
        plan=bytes(plan),
        timing_cache=b"" if timings is None else bytes(timings.serialize()),
        messages=tuple(logger.messages),
    )


def build_with_timings(
    backend: Backend, onnx_path: Path, recipe: EngineRecipe, cache: EngineCache
) -> BuiltEngine:
    """Build one engine with the kernel timings that ``cache`` holds, and keep the new ones there.

    Raises:
        ExportError, UsageError: as :func:`build_plan`.
    """
    target = recipe.compute_capability
    built = build_plan(backend, onnx_path, recipe, cache.load(_TIMINGS, backend, target))
    if built.timing_cache:
        cache.store(_TIMINGS, backend, target, built.timing_cache)
    return built


def check_supported(backend: Backend, options: EngineOptions | EngineRecipe) -> None:
    """Refuse what ``backend`` has no engines for.

    Raises:
        UsageError: says which option, and what serves instead.
    """
    asked = [
        f"--{name.replace('_', '-')}"
        for name in ("hardware_compatible", "version_compatible")
        if getattr(options, name)
    ]
    if backend.is_rtx and asked:
        raise UsageError(
            f"{' and '.join(asked)}: {backend.name} {backend.version} builds no such engines, "
            "only the package tensorrt does; name several GPUs instead, such as "
            "--compute-capability SM86,SM89,SM120"
        )


def known_targets(backend: Backend) -> tuple[str, ...]:
    """Return the GPUs that ``tensorrt_rtx`` can build for, as ``SM86``."""
    # NONE and CURRENT are members that name no compute capability.
    members: Iterable[str] = backend.module.ComputeCapability.__members__
    return tuple(name for name in members if name.startswith("SM"))


def _configure(backend: Backend, builder: Any, recipe: EngineRecipe) -> Any:
    module = backend.module
    config = builder.create_builder_config()
    (config.set_flag if recipe.tf32 else config.clear_flag)(module.BuilderFlag.TF32)
    config.profiling_verbosity = module.ProfilingVerbosity.DETAILED  # so an inspector tells types
    if recipe.workspace_bytes is not None:
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, recipe.workspace_bytes)
    if recipe.builder_level is not None:
        config.builder_optimization_level = recipe.builder_level
    if recipe.hardware_compatible:
        config.hardware_compatibility_level = module.HardwareCompatibilityLevel.AMPERE_PLUS
    if recipe.version_compatible:
        config.set_flag(module.BuilderFlag.VERSION_COMPATIBLE)
    optimization = builder.create_optimization_profile()
    for name, shapes in recipe.profile.items():
        optimization.set_shape(name, shapes["min"], shapes["opt"], shapes["max"])
    if config.add_optimization_profile(optimization) < 0:
        raise ExportError(f"{backend.name} refuses the profile {dict(recipe.profile)}")
    if backend.is_rtx:
        config.num_compute_capabilities = 1
        member = getattr(module.ComputeCapability, recipe.compute_capability)
        if not config.set_compute_capability(member, 0):
            raise ExportError(f"{backend.name} refuses to build for {recipe.compute_capability}")
    return config


def _attach_timings(config: Any, kept: bytes) -> Any:
    """Give the builder the timings of earlier builds, or an empty cache where they do not fit.

    Source: TensorRT API, ``IBuilderConfig.set_timing_cache``: it refuses timings of another device
    unless a mismatch is ignored, which we never do.
    """
    timings = config.create_timing_cache(kept)
    if timings is None or not config.set_timing_cache(timings, ignore_mismatch=False):
        timings = config.create_timing_cache(b"")
        config.set_timing_cache(timings, ignore_mismatch=False)
    return timings
