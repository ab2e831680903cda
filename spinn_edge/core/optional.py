"""Import heavy packages only when they are used."""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from spinn_edge.core.errors import MissingDependencyError


def require(module: str, *, extra: str) -> Any:
    """Import ``module`` or say which extra installs it.

    Args:
        module: dotted module name.
        extra: extra of this package that brings it.

    Returns:
        The imported module.

    Raises:
        MissingDependencyError: ``module`` is absent or its shared library fails to load.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as exc:  # OSError: a missing shared library, through ctypes
        raise MissingDependencyError(module, extra, f"{type(exc).__name__}: {exc}") from exc


def installed_version(*distributions: str) -> str | None:
    """Return the version of the first of ``distributions`` that is installed, importing none."""
    for name in distributions:
        if (found := _version_of(name)) is not None:
            return found
    return None


@functools.cache  # its metadata is parsed by every call, and a report asks thousands of times
def _version_of(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
