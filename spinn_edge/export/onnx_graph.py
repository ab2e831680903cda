"""ONNX, through PyTorch's dynamo-based exporter."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from spinn_edge.accuracy.precision.onnx_types import count_onnx
from spinn_edge.core.bundle import describe_file
from spinn_edge.core.errors import ExportError, first_line
from spinn_edge.core.manifest import PRECISIONS, FileEntry
from spinn_edge.core.optional import require
from spinn_edge.export.onnx_fp16 import convert_to_fp16
from spinn_edge.export.onnx_int8 import convert_to_int8
from spinn_edge.export.pt2 import dynamic_batch, export_warnings_silenced, exportable
from spinn_edge.export.registry import ExportJob

FILE_NAME = "model.onnx"
ONE_FILE_LIMIT_BYTES = 2**31 - 2**20
"""Protobuf refuses messages of 2 GiB and more; a mebibyte is left for the graph itself."""


def export_onnx(job: ExportJob) -> tuple[FileEntry, ...]:
    """Write ``model.onnx``: one file, batch axis named ``batch``, checked by ``onnx.checker``.

    A job for fp16 or int8 makes ``model.fp16.onnx`` or ``model.int8.onnx`` from the float32 file
    that was written before.

    Raises:
        ExportError: torch cannot export the module, it does not fit into one file, or it cannot be
            converted to the job's precision.
    """
    if job.precision == "fp16":
        return (convert_to_fp16(job.files["onnx", PRECISIONS[0]], job.folder),)
    if job.precision == "int8":
        return (convert_to_int8(job),)
    torch = require("torch", extra="export")
    onnx = require("onnx", extra="export")
    require("onnxscript", extra="export")
    module, sample = exportable(job, torch, "ONNX")
    size_bytes = sum(p.numel() * p.element_size() for p in module.parameters())
    if size_bytes > ONE_FILE_LIMIT_BYTES:
        raise ExportError(f"{size_bytes} bytes of weights do not fit into one ONNX file of 2 GiB")
    path = job.folder / FILE_NAME
    try:
        with export_warnings_silenced(), _exporter_log_silenced():
            torch.onnx.export(
                module,
                sample,
                path,
                dynamo=True,
                dynamic_shapes=dynamic_batch(job, torch),
                input_names=[spec.name for spec in job.inputs],
                output_names=[spec.name for spec in job.outputs],
                external_data=False,
                verbose=False,
            )
        graph = onnx.load(path)
        onnx.checker.check_model(graph, full_check=True)
    except Exception as exc:  # export runs the user's own code and raises many types
        raise ExportError(f"torch.onnx failed ({type(exc).__name__}): {first_line(exc)}") from exc
    return (
        describe_file(
            job.folder,
            FILE_NAME,
            "onnx",
            toolchain=onnx_toolchain(torch),
            details={
                "opset": opset_of(graph),
                "ir_version": graph.ir_version,
                **count_onnx(path).details(),
            },
        ),
    )


def onnx_toolchain(torch: Any) -> dict[str, str]:
    """Return the versions that an ONNX file depends on."""
    onnx, onnxscript = require("onnx", extra="export"), require("onnxscript", extra="export")
    return {
        "torch": torch.__version__,
        "onnx": onnx.__version__,
        "onnxscript": onnxscript.__version__,
    }


def opset_of(graph: Any) -> int:
    """Return the version of the default operator set of a ``ModelProto``."""
    return next(
        int(opset.version) for opset in graph.opset_import if opset.domain in ("", "ai.onnx")
    )


@contextmanager
def _exporter_log_silenced() -> Iterator[None]:
    """Hold back the exporter's remarks on packages that it looked for, such as torchvision."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
