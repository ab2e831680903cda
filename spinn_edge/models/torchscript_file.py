"""Reading and writing TorchScript, which is deprecated upstream but asked for on the edge.

This is the only file that touches ``torch.jit``; its DeprecationWarnings are silenced here alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spinn_edge.core.errors import BundleError, ExportError, first_line
from spinn_edge.core.optional import require


def load_torchscript(path: Path) -> Any:
    """Load a TorchScript archive on the CPU.

    A TorchScript file is a program: load only files whose author you trust.

    Returns:
        A ``torch.jit.ScriptModule`` in evaluation mode.

    Raises:
        MissingDependencyError: torch is not installed.
        BundleError: the file is corrupt or no TorchScript archive.
    """
    torch = require("torch", extra="export")
    try:
        with _deprecations_silenced():
            return torch.jit.load(path, map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as exc:
        raise BundleError(
            f"{path} cannot be loaded as TorchScript ({first_line(exc)}); "
            "it is corrupt: export the model again"
        ) from exc


def save_torchscript(module: Any, example_inputs: Sequence[Any], path: Path) -> None:
    """Trace ``module`` (or take a ScriptModule as it is) and save it.

    Args:
        module: ``nn.Module`` in evaluation mode.
        example_inputs: tensors of shape (batch, ...), in the order of ``forward``.
        path: file to write.

    Raises:
        ExportError: tracing failed.
    """
    torch = require("torch", extra="export")
    try:
        with _deprecations_silenced(), torch.no_grad():
            if not isinstance(module, torch.jit.ScriptModule):
                module = torch.jit.trace(module, tuple(example_inputs), check_trace=False)
            module.save(str(path))
    except Exception as exc:  # tracing runs the user's own code
        raise ExportError(f"TorchScript tracing failed: {first_line(exc)}") from exc


@contextmanager
def _deprecations_silenced() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit.*", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message=r".*isinstance\(treespec", category=FutureWarning)
        # check_trace is off because export proves the file at four batch sizes, which is stricter
        # than the tracer's guess that a Python branch on a tensor may not generalise.
        warnings.filterwarnings("ignore", category=_tracer_warning())
        yield


def _tracer_warning() -> type[Warning]:
    from torch.jit._trace import TracerWarning

    return TracerWarning
