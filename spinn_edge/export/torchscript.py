"""TorchScript, by tracing."""

from __future__ import annotations

from spinn_edge.core.errors import ExportError
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.optional import require
from spinn_edge.export.module_precision import describe_counted, file_name, in_precision
from spinn_edge.export.registry import ExportJob
from spinn_edge.models.torchscript_file import save_torchscript


def export_torchscript(job: ExportJob) -> tuple[FileEntry, ...]:
    """Write ``model.ts``, or ``model.fp16.ts``.

    Raises:
        ExportError: the model exists as ONNX only, tracing failed, or it is not in the precision
            of the job.
    """
    torch = require("torch", extra="export")
    if job.module is None:
        raise ExportError("an .onnx cannot be turned into TorchScript; export from its source")
    sample = [torch.from_numpy(job.sample[spec.name]) for spec in job.inputs]
    name = file_name("ts", job.precision)
    save_torchscript(in_precision(job.module, job.precision), sample, job.folder / name)
    return (describe_counted(job, name, "torchscript"),)
