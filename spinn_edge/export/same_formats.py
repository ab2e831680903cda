"""What a new version of a bundle is exported as: all that the old one was, made the same way."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import PRECISIONS, FileEntry
from spinn_edge.core.optional import installed_version
from spinn_edge.export import registry
from spinn_edge.export.bundling import ExportRequest
from spinn_edge.export.quantization import Quantization
from spinn_edge.export.task_loss import ScoredRows
from spinn_edge.runtimes.trt.recipe import EngineOptions


def check_exporters(parent: Bundle) -> None:
    """Refuse before a long stream what could not be written after it.

    Raises:
        UsageError: a package that wrote a file of the parent is not installed here.
    """
    for entry in parent.manifest.files:
        for package in entry.toolchain:
            if importlib.util.find_spec(package) is None and not installed_version(package):
                raise UsageError(
                    f"{parent.root} holds {entry.path}, which '{package}' wrote; it is not "
                    "installed here, so a new version could not be written. Install it, or adapt a "
                    "bundle without that format: spinn-edge export BUNDLE --format onnx --out NEW"
                )


def request_like(parent: Bundle, scored: ScoredRows | None = None) -> ExportRequest:
    """Return what to write: all that the parent has, made as it was made there.

    Args:
        parent: the older version.
        scored: rows that files of lower precision are scored on; None for none.
    """
    known = registry.entries()
    files = [entry for entry in parent.manifest.files if entry.format in known]
    engines = [entry for entry in files if entry.format == "trt"]
    forms = dict.fromkeys((entry.format, entry.precision) for entry in files)
    capabilities = dict.fromkeys(str(e.details["compute_capability"]) for e in engines)
    return ExportRequest(
        formats=tuple(dict.fromkeys(entry.format for entry in files)),
        only=tuple(forms),
        precisions=tuple(dict.fromkeys(entry.precision for entry in files)) or PRECISIONS[:1],
        compute_capabilities=tuple(capabilities) or None,
        engine=_engine_options(engines[0]) if engines else EngineOptions(),
        tolerances=parent.manifest.tolerances_by_hand,
        quantization=_quantization(files),
        scored=scored,
    )


def _engine_options(entry: FileEntry) -> EngineOptions:
    details = entry.details
    profile: Mapping[str, Mapping[str, list[int]]] = details["profile"]
    bounds = next(iter(profile.values()))
    return EngineOptions(
        min_batch=bounds["min"][0],
        opt_batch=bounds["opt"][0],
        workspace_bytes=details.get("workspace_bytes"),
        builder_level=details.get("builder_level"),
        tf32=bool(details.get("tf32")),
        hardware_compatible=bool(details.get("hardware_compatible")),
        version_compatible=bool(details.get("version_compatible")),
    )


def _quantization(files: Sequence[FileEntry]) -> Quantization:
    forms = [e.details["quantization"]["form"] for e in files if "quantization" in e.details]
    return Quantization(form=forms[0]) if forms else Quantization()
