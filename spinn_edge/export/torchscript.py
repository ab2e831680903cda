"""TorchScript, by tracing."""

from __future__ import annotations

from spinn_edge.core.bundle import describe_file
from spinn_edge.core.errors import ExportError
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.optional import require
from spinn_edge.export.registry import ExportJob
from spinn_edge.models.torchscript_file import save_torchscript

FILE_NAME = "model.ts"


def export_torchscript(job: ExportJob) -> tuple[FileEntry, ...]:
    """Write ``model.ts``.

    Raises:
        ExportError: the model exists as ONNX only, or tracing failed.
    """
    torch = require("torch", extra="export")
    if job.module is None:
        raise ExportError("an .onnx cannot be turned into TorchScript; export from its source")
    sample = [torch.from_numpy(job.sample[spec.name]) for spec in job.inputs]
    save_torchscript(job.module, sample, job.folder / FILE_NAME)
    return (
        describe_file(job.folder, FILE_NAME, "torchscript", toolchain={"torch": torch.__version__}),
    )
