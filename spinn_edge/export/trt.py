"""Build TensorRT engines from an ONNX file: one for each compute capability.

``tensorrt_rtx`` is preferred wherever it is installed, because it needs no GPU and builds for GPUs
that are not here. ``tensorrt`` builds for the GPU in this machine only. Networks are strongly
typed: the ONNX graph decides the precision, no flag does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spinn_edge.core.bundle import describe_file, sha256_of
from spinn_edge.core.errors import (
    ExportError,
    RuntimeUnavailableError,
    UsageError,
    install_command,
)
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.tensors import TensorSpec, describe
from spinn_edge.export.registry import ExportJob
from spinn_edge.runtimes.cuda_driver import CudaDevice, find_device
from spinn_edge.runtimes.trt_backend import (
    EXTRAS,
    RTX,
    Backend,
    last_words,
    load_backend,
    logger_of,
)

# Ampere, Ada and Blackwell on desks and in machines. Turing (SM75) multiplies no float32 matrices
# in TensorRT for RTX.
DEFAULT_COMPUTE_CAPABILITIES = ("SM86", "SM89", "SM120")

# A choice, not a measurement: one profile must serve single samples and whole batches. At one
# sample a small network waits for kernel launches whatever the kernels were tuned for.
_OPTIMAL_BATCH = 32

Shapes = Mapping[str, tuple[int, ...]]


def export_trt(job: ExportJob) -> tuple[FileEntry, ...]:
    """Build engines from the ONNX file that was written before.

    Raises:
        ExportError, MissingDependencyError, UsageError: as :func:`build_engines`.
    """
    return build_engines(
        job.files["onnx"],
        job.folder,
        inputs=job.inputs,
        max_batch=job.max_batch,
        compute_capabilities=job.compute_capabilities,
    )


def build_engines(
    onnx_path: Path,
    out_dir: Path,
    *,
    inputs: tuple[TensorSpec, ...],
    max_batch: int,
    compute_capabilities: tuple[str, ...] | None = None,
    backend: Backend | None = None,
    find: Callable[[], CudaDevice] = find_device,
) -> tuple[FileEntry, ...]:
    """Write ``model.sm86.engine`` and its like into ``out_dir``.

    TF32 is off, so that float32 engines keep float32 products and parity comes first.

    Args:
        onnx_path: the graph; weights may lie beside it.
        out_dir: folder of the bundle.
        inputs: of the model; only the batch axis may be dynamic.
        max_batch: largest batch that the engines accept; the smallest is 1.
        compute_capabilities: GPUs to build for, as ``SM86``; None means
            ``DEFAULT_COMPUTE_CAPABILITIES`` with tensorrt_rtx, and the GPU in this machine with
            tensorrt, which can build for no other.
        backend: the package to build with; None loads tensorrt_rtx, else tensorrt.
        find: asks the driver for the GPU.

    Returns:
        One entry an engine, in the order of ``compute_capabilities``. ``proof`` is empty: the
        caller runs what can be run. ``unproved`` is None where the GPU in this machine fits.

    Raises:
        ExportError: no ONNX file, no GPU for tensorrt, or TensorRT refused the graph; carries its
            words. Build again in a new process, as an engine may inherit from a failure.
        MissingDependencyError: neither package is installed.
        UsageError: a compute capability that the package cannot build for, or no batch.
    """
    if not onnx_path.is_file():
        raise ExportError(f"{onnx_path} is not there; TensorRT engines are built from an ONNX file")
    backend = load_backend() if backend is None else backend
    device, no_device = _device_or_reason(find)
    targets = _targets(backend, compute_capabilities, device, no_device)
    profile = _profile(inputs, max_batch)
    onnx_sha256 = sha256_of(onnx_path)
    entries = []
    for target in targets:
        plan = _build(backend, onnx_path, profile, target)
        name = f"model.{target.lower()}.engine"
        (out_dir / name).write_bytes(plan)
        entries.append(
            describe_file(
                out_dir,
                name,
                "trt",
                toolchain={backend.name: backend.version},
                details={
                    "compute_capability": target,
                    "profile": {
                        tensor: {bound: list(shape) for bound, shape in shapes.items()}
                        for tensor, shapes in profile.items()
                    },
                    "tf32": False,
                    "precision": "strongly typed, from the ONNX graph",
                    "onnx_sha256": onnx_sha256,
                },
                unproved=no_device if device is None else _unproved(device, target),
            )
        )
    return tuple(entries)


def _device_or_reason(find: Callable[[], CudaDevice]) -> tuple[CudaDevice | None, str]:
    try:
        return find(), ""
    except RuntimeUnavailableError as exc:
        return None, str(exc)


def _unproved(device: CudaDevice, target: str) -> str | None:
    if device.sm == target:
        return None
    return f"the GPU in this machine, {device.name}, is {device.sm}, the engine is for {target}"


def _targets(
    backend: Backend,
    asked: tuple[str, ...] | None,
    device: CudaDevice | None,
    no_device: str,
) -> tuple[str, ...]:
    if backend.is_rtx:
        # NONE and CURRENT are members that name no compute capability.
        members = backend.module.ComputeCapability.__members__
        known = [name for name in members if name.startswith("SM")]
        targets = DEFAULT_COMPUTE_CAPABILITIES if asked is None else asked
        where = f"{backend.name} {backend.version}"
    elif device is None:
        raise ExportError(
            f"tensorrt builds for the GPU in this machine only: {no_device}.\nBuild without one "
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


def _profile(inputs: Sequence[TensorSpec], max_batch: int) -> Mapping[str, Shapes]:
    if max_batch < 1:
        raise UsageError(f"the maximum batch is {max_batch}, expected at least 1")
    bounds = {"min": 1, "opt": min(_OPTIMAL_BATCH, max_batch), "max": max_batch}
    profile = {}
    for spec in inputs:
        shapes = {}
        for bound, batch in bounds.items():
            fixed = spec.shape[0] if spec.shape else None
            shape = spec.at_batch(batch if fixed is None else fixed)
            if shape is None:
                raise ExportError(
                    f"input '{spec.name}' is {describe(spec)}: for TensorRT only axis 0 may be "
                    "dynamic"
                )
            shapes[bound] = shape
        profile[spec.name] = shapes
    return profile


def _build(backend: Backend, onnx_path: Path, profile: Mapping[str, Shapes], target: str) -> bytes:
    """Build one engine.

    All TensorRT objects live and die in here, one parser for one network: a second parser over a
    network crashed when it was torn down.

    Equal graphs give equal bytes, but for one case observed with tensorrt_rtx 1.7.1.116: after a
    build that failed in the compiler (float32 for SM75), the next engine of the same process
    carries 285 kB of the failed one's kernel sources. So a failure ends :func:`build_engines`.
    """
    module = backend.module
    logger = logger_of(backend)
    logger.messages.clear()
    try:
        builder = module.Builder(logger)
    except TypeError as exc:  # how pybind11 says that the factory returned nothing
        raise ExportError(
            f"{backend.name} makes no Builder here: {last_words(backend, str(exc))}"
        ) from exc
    strongly_typed = module.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = builder.create_network(1 << int(strongly_typed))
    parser = module.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx_path)):  # from file: weights may lie beside it
        raise ExportError(f"{backend.name} cannot read {onnx_path}: {_parser_errors(parser)}")
    found = [network.get_input(index).name for index in range(network.num_inputs)]
    if sorted(found) != sorted(profile):
        raise ExportError(f"{onnx_path} has the inputs {found}, the model {sorted(profile)}")
    config = _configure(backend, builder, profile, target)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ExportError(
            f"{backend.name} {backend.version} builds no engine of {onnx_path} for {target}: "
            f"{last_words(backend, 'no reason given')}"
        )
    return bytes(plan)


def _configure(backend: Backend, builder: Any, profile: Mapping[str, Shapes], target: str) -> Any:
    module = backend.module
    config = builder.create_builder_config()
    config.clear_flag(module.BuilderFlag.TF32)
    optimization = builder.create_optimization_profile()
    for name, shapes in profile.items():
        optimization.set_shape(name, shapes["min"], shapes["opt"], shapes["max"])
    if config.add_optimization_profile(optimization) < 0:
        raise ExportError(f"{backend.name} refuses the profile {dict(profile)}")
    if backend.is_rtx:
        config.num_compute_capabilities = 1
        member = getattr(module.ComputeCapability, target)
        if not config.set_compute_capability(member, 0):
            raise ExportError(f"{backend.name} refuses to build for {target}")
    return config


def _parser_errors(parser: Any) -> str:
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    words = [
        f"node '{error.node_name()}' ({error.node_operator()}): {error.desc()}"
        if error.node_operator()
        else str(error.desc())
        for error in errors
    ]
    return "; ".join(words) or "no reason given"
