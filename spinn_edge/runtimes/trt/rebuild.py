"""Build an engine that does not fit this machine again, from the bundle's ONNX file, and keep it.

Runs on the edge box: it needs a TensorRT package that can build and nothing of the export side.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import (
    ExportError,
    MissingDependencyError,
)
from spinn_edge.core.manifest import FileEntry
from spinn_edge.runtimes.base import only_file
from spinn_edge.runtimes.nvidia.driver import CudaDevice
from spinn_edge.runtimes.trt.backend import EXTRAS, Backend
from spinn_edge.runtimes.trt.builder import build_with_timings, known_targets
from spinn_edge.runtimes.trt.cache import EngineCache
from spinn_edge.runtimes.trt.recipe import EngineRecipe

_DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """An engine made for this machine.

    Attributes:
        backend: the package that built it.
        entry: as a manifest would describe it; its path leads to the cache beside the bundle.
        plan: its bytes.
        kept: it was taken from the cache, or is there now; else every start builds it again.
    """

    backend: Backend
    entry: FileEntry
    plan: bytes
    kept: bool


def rebuild(
    bundle: Bundle,
    precision: str,
    device: CudaDevice,
    load: Callable[[Sequence[str]], Backend],
) -> Rebuilt:
    """Return an engine for ``device``, built as the bundle's own was, now or at an earlier start.

    It is for this machine alone, so it is neither hardware- nor version-compatible.

    Args:
        bundle: checked bundle with an engine entry of this precision.
        precision: of the engine.
        device: GPU to build for.
        load: imports the first of the named packages that is installed.

    Raises:
        BundleError: the manifest does not say how the engine was built.
        ExportError: TensorRT refused, or no installed package builds for this GPU.
        MissingDependencyError: no package is installed.
        RuntimeUnavailableError: the bundle holds no ONNX file of this precision.
    """
    onnx = only_file(bundle, "onnx", precision)
    entries = bundle.manifest.files_of("trt", precision)
    pattern = next(
        (entry for entry in entries if entry.details.get("compute_capability") == device.sm),
        entries[0],
    )
    recipe = replace(
        EngineRecipe.from_details(pattern.details, device.sm),
        hardware_compatible=False,
        version_compatible=False,
    )
    backend = _able_package(pattern, device, load)
    cache = EngineCache(bundle.root)
    kind = f"engine-{onnx.sha256[:12]}-{precision}-{_digest(recipe)[:8]}"
    plan = _whole(cache.load(kind, backend, device.sm))
    messages: tuple[str, ...] = ()
    kept = bool(plan)
    if not plan:
        built = build_with_timings(backend, bundle.path_of(onnx), recipe, cache)
        plan, messages = built.plan, built.messages
        kept = cache.store(kind, backend, device.sm, hashlib.sha256(plan).digest() + plan)
    path = cache.path(kind, backend, device.sm)
    counted = {
        key: onnx.details[key] for key in ("layers", "layers_counted_from") if key in onnx.details
    }
    entry = FileEntry(
        path=f"../{path.parent.name}/{path.name}",
        format="trt",
        bytes=len(plan),
        sha256=hashlib.sha256(plan).hexdigest(),
        precision=precision,
        toolchain={backend.name: backend.version},
        details={
            **recipe.details(),
            "onnx_sha256": onnx.sha256,
            **counted,
            "builder_messages": list(messages),
        },
    )
    return Rebuilt(backend=backend, entry=entry, plan=plan, kept=kept)


def _able_package(
    pattern: FileEntry, device: CudaDevice, load: Callable[[Sequence[str]], Backend]
) -> Backend:
    """Return the package that built the engine if it can build for this GPU, else the other."""
    refusals = []
    missing: MissingDependencyError | None = None
    for name in sorted(EXTRAS, key=lambda name: name not in pattern.toolchain):
        try:
            backend = load((name,))
        except MissingDependencyError as exc:
            missing = missing or exc
            continue
        if not backend.is_rtx or device.sm in known_targets(backend):
            return backend
        refusals.append(
            f"{name} {backend.version} builds for {', '.join(known_targets(backend))}, not for "
            f"{device.sm}"
        )
    if refusals or missing is None:
        raise ExportError("; ".join(refusals))
    raise missing


def _digest(recipe: EngineRecipe) -> str:
    return hashlib.sha256(json.dumps(recipe.details(), sort_keys=True).encode()).hexdigest()


def _whole(content: bytes) -> bytes:
    """Return the engine of a cache file; nothing where the file is damaged."""
    digest, plan = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return plan if plan and hashlib.sha256(plan).digest() == digest else b""
