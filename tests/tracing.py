"""Where the tracer that measures coverage would only cost time."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any


def untraced(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that no tracer follows into."""

    @functools.wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*args, **options)
        finally:
            sys.settrace(tracer)

    return call


def untraced_environment() -> dict[str, str]:
    """Return this process's environment without what makes coverage start in a child.

    For programs of many seconds, nearly all of them in PyTorch, whose lines other tests run too.
    """
    return {name: text for name, text in os.environ.items() if "COVERAGE_PROCESS" not in name}
