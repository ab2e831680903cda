"""The eager module that ``eager`` and ``compile`` share, on the CPU and on the GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import RuntimeUnavailableError, UsageError
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.optional import require
from spinn_edge.models.loading import module_of
from spinn_edge.runtimes.base import OpenOptions, only_file

if TYPE_CHECKING:
    from torch import nn


def weights_file(bundle: Bundle, options: OpenOptions) -> FileEntry:
    """Return the file that holds a bundle's weights.

    Raises:
        RuntimeUnavailableError: the bundle has no eager form, or no weights of that precision.
    """
    if bundle.manifest.architecture.kind == "file":
        raise RuntimeUnavailableError(
            f"{bundle.root} was made from an exported file and has no eager form; "
            "export again from the state dict or factory that it was trained with"
        )
    return only_file(bundle, "weights", options.precision)


def eager_module(bundle: Bundle, options: OpenOptions) -> nn.Module:
    """Rebuild a bundle's module.

    Args:
        bundle: checked bundle that :func:`weights_file` found weights in.
        options: whether its factory is trusted.

    Raises:
        MissingDependencyError: torch is not installed.
        RuntimeUnavailableError: the bundle's factory is not trusted.
        BundleError: the weights do not fit the manifest.
    """
    require("torch", extra="export")
    try:
        return module_of(bundle, trust_factory=options.trust_factory)
    except UsageError as exc:
        raise RuntimeUnavailableError(str(exc)) from exc
