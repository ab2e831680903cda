"""Timing of bundles on runtimes: parity first, one process each, raw samples kept.

The names below time models in memory. They live in ``spinn_edge.suite``, above the reports that
they print, and are loaded when they are asked for (ADR 0012).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinn_edge.suite.benchmark_suite import BenchmarkSuite
    from spinn_edge.suite.model_benchmark import ModelBenchmark
    from spinn_edge.suite.quick_benchmark import quick_benchmark

__all__ = ["BenchmarkSuite", "ModelBenchmark", "quick_benchmark"]

_HOMES = {
    "BenchmarkSuite": "benchmark_suite",
    "ModelBenchmark": "model_benchmark",
    "quick_benchmark": "quick_benchmark",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"spinn_edge.suite.{_HOMES[name]}"), name)
