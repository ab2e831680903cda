"""TensorRT engines from an ONNX file: one for each compute capability.

``tensorrt_rtx`` is preferred wherever it is installed, because it needs no GPU and builds for GPUs
that are not here. ``tensorrt`` builds for the GPU in this machine only. Networks are strongly
typed: the ONNX graph decides the precision, no flag does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spinn_edge.accuracy.precision.onnx_types import count_onnx
from spinn_edge.accuracy.precision.truth import check_precision
from spinn_edge.accuracy.precision.type_counts import TypeCounts
from spinn_edge.core.bundle import describe_file, sha256_of
from spinn_edge.core.errors import (
    ExportError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UsageError,
    install_command,
)
from spinn_edge.core.manifest import PRECISIONS, FileEntry
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export.quantization import DYNAMIC
from spinn_edge.export.registry import ExportJob
from spinn_edge.runtimes.nvidia.driver import CudaDevice, find_device
from spinn_edge.runtimes.trt.backend import ENTERPRISE, EXTRAS, RTX, Backend, load_backend
from spinn_edge.runtimes.trt.builder import build_with_timings, check_supported, known_targets
from spinn_edge.runtimes.trt.cache import EngineCache
from spinn_edge.runtimes.trt.inspector import inspect_plan
from spinn_edge.runtimes.trt.recipe import EngineOptions, EngineRecipe

DEFAULT_COMPUTE_CAPABILITIES = ("SM86", "SM89", "SM120")
"""Ampere, Ada and Blackwell on desks and in machines."""

TURING = "SM75"
"""Multiplies no float32 matrices in TensorRT for RTX."""


def export_trt(job: ExportJob) -> tuple[FileEntry, ...]:
    """Build engines from the ONNX file of the job's precision, which was written before.

    Raises:
        ExportError: as :func:`build_engines`; or int8 with scales that are computed at run time.
        MissingDependencyError, UsageError: as :func:`build_engines`.
    """
    if job.precision == "int8" and job.quantization.form == DYNAMIC:
        raise ExportError(
            "TensorRT takes no int8 graph whose scales are computed at run time; "
            "use --int8 static or weight-only, or leave trt out of --format"
        )
    return build_engines(
        job.files["onnx", job.precision],
        job.folder,
        inputs=job.inputs,
        max_batch=job.max_batch,
        precision=job.precision,
        compute_capabilities=job.compute_capabilities,
        options=job.engine,
        cache=EngineCache(job.out),
    )


def build_engines(
    onnx_path: Path,
    out_dir: Path,
    *,
    inputs: tuple[TensorSpec, ...],
    max_batch: int,
    precision: str = PRECISIONS[0],
    compute_capabilities: tuple[str, ...] | None = None,
    options: EngineOptions | None = None,
    cache: EngineCache | None = None,
    backend: Backend | None = None,
    find: Callable[[], CudaDevice] = find_device,
) -> tuple[FileEntry, ...]:
    """Write ``model.sm86.engine``, ``model.fp16.sm86.engine`` and their like into ``out_dir``.

    Args:
        onnx_path: the graph; weights may lie beside it.
        out_dir: folder of the bundle.
        inputs: of the model; only the batch axis may be dynamic.
        max_batch: largest batch that the engines accept.
        precision: what the graph computes in; names the files.
        compute_capabilities: GPUs to build for, as ``SM86``; None means
            ``DEFAULT_COMPUTE_CAPABILITIES`` and the GPU in this machine with tensorrt_rtx, and that
            GPU alone with tensorrt, which can build for no other.
        options: how to build; None means TensorRT's defaults, without TF32.
        cache: where ``tensorrt`` keeps kernel timings; None means beside ``out_dir``.
        backend: the package to build with; None loads tensorrt_rtx, else tensorrt; tensorrt first
            where the options or the GPU in this machine need it.
        find: asks the driver for the GPU.

    Returns:
        One entry an engine, in the order of ``compute_capabilities``. ``proof`` is empty: the
        caller runs what can be run. ``unproved`` is None where the GPU in this machine fits.

    Raises:
        ExportError: no ONNX file, no GPU for tensorrt, TensorRT refused the graph (carries its
            words; build again in a new process, as an engine may inherit from a failure), or no
            layer computes in ``precision``.
        MissingDependencyError: neither package is installed, or no onnx.
        UsageError: a compute capability or an option that the package has not, or the batches are
            not in order.
    """
    if not onnx_path.is_file():
        raise ExportError(f"{onnx_path} is not there; TensorRT engines are built from an ONNX file")
    options = options or EngineOptions()
    here = _ask_driver(find)
    backend = backend or _load_package(options, compute_capabilities, here)
    check_supported(backend, options)
    recipes = [
        options.recipe(inputs, max_batch, target)
        for target in _targets(backend, compute_capabilities, precision, here)
    ]
    in_graph = count_onnx(onnx_path)
    onnx_sha256 = sha256_of(onnx_path)
    cache = cache or EngineCache(out_dir)
    entries = []
    for recipe in recipes:
        target = recipe.compute_capability
        built = build_with_timings(backend, onnx_path, recipe, cache)
        mark = "" if precision == PRECISIONS[0] else f".{precision}"
        path = out_dir / f"model{mark}.{target.lower()}.engine"
        path.write_bytes(built.plan)
        counts = _layers(backend, built.plan, recipe, here, in_graph)
        check_precision(path, precision, counts)
        entries.append(
            describe_file(
                out_dir,
                path.name,
                "trt",
                precision=precision,
                toolchain={backend.name: backend.version},
                details={
                    **recipe.details(),
                    "onnx_sha256": onnx_sha256,
                    "layers": dict(counts.layers),
                    "layers_counted_from": counts.counted_from,
                    "builder_messages": list(built.messages),
                },
                unproved=here.unproved(target),
            )
        )
    return tuple(entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """What the driver said: a GPU, or why there is none."""

    device: CudaDevice | None
    reason: str = ""

    def unproved(self, target: str) -> str | None:
        """Return why an engine for ``target`` cannot be run here; None when it can."""
        if self.device is None:
            return self.reason
        if self.device.sm == target:
            return None
        return (
            f"the GPU in this machine, {self.device.name}, is {self.device.sm}, the engine is for "
            f"{target}"
        )


def _ask_driver(find: Callable[[], CudaDevice]) -> _Here:
    try:
        return _Here(device=find())
    except RuntimeUnavailableError as exc:
        return _Here(device=None, reason=str(exc))


def _load_package(options: EngineOptions, asked: tuple[str, ...] | None, here: _Here) -> Backend:
    """Import TensorRT for RTX, unless only the other package has what is wanted."""
    if options.hardware_compatible or options.version_compatible:
        return load_backend((ENTERPRISE, RTX))
    backend = load_backend((RTX, ENTERPRISE))
    device = here.device
    wants_this_gpu = device is not None and asked in (None, (device.sm,))
    if backend.is_rtx and wants_this_gpu and device and device.sm not in known_targets(backend):
        try:
            return load_backend((ENTERPRISE,))
        except MissingDependencyError:
            pass  # RTX then builds for other GPUs, or says for which it can
    return backend


def _targets(
    backend: Backend, asked: tuple[str, ...] | None, precision: str, here: _Here
) -> tuple[str, ...]:
    device = here.device
    if backend.is_rtx:
        known = list(known_targets(backend))
        targets = DEFAULT_COMPUTE_CAPABILITIES if asked is None else asked
        if asked is None and device and device.sm in known:
            refused = device.sm == TURING and precision != "fp16"
            targets = targets if refused else (*targets, device.sm)
        where = f"{backend.name} {backend.version}"
    elif device is None:
        raise ExportError(
            f"tensorrt builds for the GPU in this machine only: {here.reason}.\nBuild without one "
            f"with TensorRT for RTX: {install_command(EXTRAS[RTX])}"
        )
    else:
        known = [device.sm]
        targets = (device.sm,) if asked is None else asked
        where = f"tensorrt on {device.name}"
    if unknown := [target for target in targets if target not in known]:
        raise UsageError(
            f"{where} cannot build for {', '.join(unknown)}; known: {', '.join(known)}"
        )
    if not targets:
        raise UsageError(f"no compute capability given; known: {', '.join(known)}")
    return tuple(dict.fromkeys(targets))


def _layers(
    backend: Backend, plan: bytes, recipe: EngineRecipe, here: _Here, in_graph: TypeCounts
) -> TypeCounts:
    """Return what the engine itself says of its layers; the graph's counts where it cannot here."""
    if here.device is None or here.device.sm != recipe.compute_capability:
        return in_graph
    layers = inspect_plan(backend, plan, carries_code=recipe.version_compatible)
    weights_alone = in_graph.weight_values.get("int8") and not in_graph.layers.get("int8")
    if not layers or weights_alone:  # the inspector tells the types of layers, not of weights
        return in_graph
    return TypeCounts(layers=layers, counted_from=f"engine inspector on {here.device.name}")
