"""Names to exporters; nothing is imported until a format is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from spinn_edge.core.errors import UsageError
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import PRECISIONS, FileEntry
from spinn_edge.core.plugins import with_plugins
from spinn_edge.core.tensors import Array, TensorSpec
from spinn_edge.export.quantization import Quantization
from spinn_edge.export.task_loss import TaskScore
from spinn_edge.runtimes.base import PRECISIONS_OF
from spinn_edge.runtimes.trt.recipe import EngineOptions

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
        out: where the folder will be when it is whole; caches lie beside that.
        files: paths of what was already written, by format and precision.
        precision: what the file shall compute in; one of the exporter's ``precisions``.
        compute_capabilities: GPUs to build engines for, such as ``SM86``; None means the
            exporter's default.
        engine: how engines are built.
        golden: inputs with float64 outputs, which int8 is calibrated and measured on.
        golden_source: where those inputs came from, in words.
        score: what the task is scored by; None without rows whose targets were measured.
        quantization: how int8 is written.
    """

    module: nn.Module | None
    sample: Mapping[str, Array]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch: int
    folder: Path
    out: Path
    files: Mapping[tuple[str, str], Path]
    precision: str = PRECISIONS[0]
    compute_capabilities: tuple[str, ...] | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)
    golden: Golden = field(default_factory=lambda: Golden(inputs={}, outputs={}))
    golden_source: str = ""
    score: TaskScore | None = None
    quantization: Quantization = field(default_factory=Quantization)


class Exporter(Protocol):
    """Writes the files of one format and precision into the job's folder."""

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
        needs: format that must be written first, in the same precision; empty when it needs none.
        precisions: what its files may compute in; the first of ``PRECISIONS`` is written before
            any other of a format that needs nothing, and the others are made from it.
    """

    exporter: str
    runtime: str
    needs: str = ""
    precisions: tuple[str, ...] = PRECISIONS[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportStep:
    """One call of an exporter.

    Attributes:
        format: what it writes.
        precision: what the file computes in.
        entry: its registry line.
    """

    format: str
    precision: str
    entry: ExporterEntry

    @property
    def name(self) -> str:
        """The step in a user's words, such as ``onnx`` or ``fp16 onnx``."""
        return self.format if self.precision == PRECISIONS[0] else f"{self.precision} {self.format}"


EXPORTERS = {
    "torchscript": ExporterEntry(
        exporter=f"{_HERE}.torchscript:export_torchscript",
        runtime="torchscript",
        precisions=PRECISIONS_OF["torchscript"],
    ),
    "pt2": ExporterEntry(
        exporter=f"{_HERE}.pt2:export_pt2", runtime="pt2", precisions=PRECISIONS_OF["pt2"]
    ),
    "onnx": ExporterEntry(
        exporter=f"{_HERE}.onnx_graph:export_onnx",
        runtime="ort-cpu",
        precisions=PRECISIONS_OF["onnx"],
    ),
    "trt": ExporterEntry(
        exporter=f"{_HERE}.trt:export_trt",
        runtime="trt",
        needs="onnx",
        precisions=PRECISIONS_OF["trt"],
    ),
}


def entries() -> dict[str, ExporterEntry]:
    """Return built-in and plug-in exporters by format, built-in ones first.

    Raises:
        UsageError: two providers claim one format, or a plug-in cannot be loaded or names no
            :class:`ExporterEntry`.
    """
    return with_plugins(EXPORTERS, ExporterEntry, "spinn_edge.exporters")


def in_order(
    formats: Sequence[str], precisions: Sequence[str] = PRECISIONS[:1]
) -> tuple[ExportStep, ...]:
    """Return what to write for ``formats`` in ``precisions``, what is needed first.

    A precision that a format does not have is left out; :func:`lacking` tells which.

    Raises:
        UsageError: unknown format or precision, or not one format has one of the precisions; lists
            the known ones.
    """
    known = entries()
    ordered: dict[tuple[str, str], ExportStep] = {}

    def add(name: str, precision: str) -> None:
        entry = known[name]
        if precision not in entry.precisions:
            return
        if entry.needs:
            add(entry.needs, precision)
        elif precision != PRECISIONS[0]:
            add(name, PRECISIONS[0])
        ordered.setdefault(
            (name, precision), ExportStep(format=name, precision=precision, entry=entry)
        )

    for name in formats:
        if name not in known:
            raise UsageError(f"unknown format '{name}'; known: {', '.join(known)}")
    for precision in precisions:
        if precision not in PRECISIONS:
            raise UsageError(
                f"--precision {precision}: unknown, expected one of {', '.join(PRECISIONS)}"
            )
    if not precisions:
        raise UsageError(f"--precision names nothing; known: {', '.join(PRECISIONS)}")
    for name in formats:
        for precision in sorted(precisions, key=PRECISIONS.index):
            add(name, precision)
    if formats and not ordered:
        able = [name for name, entry in known.items() if set(precisions) & set(entry.precisions)]
        raise UsageError(
            f"--precision {','.join(precisions)}: {', '.join(formats)} has no such form; "
            f"formats that do: {', '.join(able)}"
        )
    return tuple(ordered.values())


def lacking(formats: Sequence[str], precisions: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return each asked-for format and precision that no exporter writes."""
    known = entries()
    return tuple(
        (name, precision)
        for name in dict.fromkeys(formats)
        for precision in dict.fromkeys(precisions)
        if name in known and precision not in known[name].precisions
    )


def load(entry: ExporterEntry) -> Exporter:
    """Import an exporter."""
    module, _, attribute = entry.exporter.partition(":")
    return cast(Exporter, getattr(importlib.import_module(module), attribute))
