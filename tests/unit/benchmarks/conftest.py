"""Programs in ``benchmarks`` import each other by their file names; tests find them likewise."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import spinn_edge

FOLDER = Path(spinn_edge.__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="package", autouse=True)
def _on_the_path() -> Iterator[None]:
    known = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(FOLDER)):
            del sys.modules[name]


@pytest.fixture
def program() -> Callable[[str], Any]:
    """Return a program's module by its name."""

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load
