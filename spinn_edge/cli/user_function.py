"""Functions of the user's own, named as ``package.module:function``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def import_function(reference: str, option: str, arguments: str) -> Callable[..., Any]:
    """Import ``module:function``, from this folder too; that runs the module's code.

    Args:
        reference: what was typed.
        option: behind which name.
        arguments: what the function takes, for the message.

    Raises:
        UsageError: it cannot be imported, or is no function.
    """
    import importlib

    from spinn_edge.core.errors import UsageError, first_line

    name, _, attribute = reference.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does, so that the user's own module is found
    try:
        function: Callable[..., Any] = getattr(importlib.import_module(name), attribute)
    except Exception as exc:  # the user's own code may raise anything
        raise UsageError(
            f"{option} {reference}: expected module:function; it could not be imported "
            f"({type(exc).__name__}: {first_line(exc)})"
        ) from exc
    if not callable(function):
        raise UsageError(f"{option} {reference} is no function of {arguments}")
    return function
