"""Names to exporters; nothing is imported until a format is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.plugins import with_plugins
from spinn_edge.core.tensors import Array, TensorSpec

if TYPE_CHECKING:
    from torch import nn

_HERE = "spinn_edge.export"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportJob:
    """What an exporter is given.

    Attributes:
        module: eager module in evaluation mode; None where only a foreign file is known.
        sample: two samples by input name, for tracing.
        inputs: model inputs.
        outputs: model outputs.
        max_batch: largest batch that the file must serve.
        folder: where to write.
        files: paths of what was already written, by format.
        compute_capabilities: GPUs to build engines for, such as ``SM86``; None means the
            exporter's default.
    """

    module: nn.Module | None
    sample: Mapping[str, Array]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch: int
    folder: Path
    files: Mapping[str, Path]
    compute_capabilities: tuple[str, ...] | None


class Exporter(Protocol):
    """Writes the files of one format into the job's folder."""

    def __call__(self, job: ExportJob) -> tuple[FileEntry, ...]:
        """Return an entry for each file written.

        Raises:
            ExportError: the model cannot be written in this format.
            MissingDependencyError: a package that writes it is not installed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterEntry:
    """A registry line; also what an entry point of group ``spinn_edge.exporters`` must name.

    Attributes:
        exporter: ``module:function``, an :class:`Exporter`.
        runtime: name of the runtime that proves its files.
        needs: format that must be written first; empty when it needs none.
    """

    exporter: str
    runtime: str
    needs: str = ""


EXPORTERS = {
    "torchscript": ExporterEntry(
        exporter=f"{_HERE}.torchscript:export_torchscript", runtime="torchscript"
    ),
    "pt2": ExporterEntry(exporter=f"{_HERE}.pt2:export_pt2", runtime="pt2"),
    "onnx": ExporterEntry(exporter=f"{_HERE}.onnx_graph:export_onnx", runtime="ort-cpu"),
    "trt": ExporterEntry(exporter=f"{_HERE}.trt:export_trt", runtime="trt", needs="onnx"),
}


def entries() -> dict[str, ExporterEntry]:
    """Return built-in and plug-in exporters by format, built-in ones first.

    Raises:
        UsageError: two providers claim one format, or a plug-in cannot be loaded or names no
            :class:`ExporterEntry`.
    """
    return with_plugins(EXPORTERS, ExporterEntry, "spinn_edge.exporters")


def in_order(formats: Sequence[str]) -> dict[str, ExporterEntry]:
    """Return the exporters of ``formats`` and of what they need, needed ones first.

    Raises:
        UsageError: unknown format; lists the known ones.
    """
    known = entries()
    ordered: dict[str, ExporterEntry] = {}

    def add(name: str) -> None:
        if name not in known:
            raise UsageError(f"unknown format '{name}'; known: {', '.join(known)}")
        if known[name].needs:
            add(known[name].needs)
        ordered.setdefault(name, known[name])

    for name in formats:
        add(name)
    return ordered


def load(entry: ExporterEntry) -> Exporter:
    """Import an exporter."""
    module, _, attribute = entry.exporter.partition(":")
    return cast(Exporter, getattr(importlib.import_module(module), attribute))
