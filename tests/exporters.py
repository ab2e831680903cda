"""PyTorch's exporters, made quicker for tests; what they export, and how, stays their own.

The exporter to ONNX makes the same tables anew in every export, which is most of what a small
network costs it: here it makes them once. And no tracer, such as the one that measures coverage,
follows an exporter's own code.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from importlib import import_module
from typing import Any

import torch.export
import torch.onnx

from tests.tracing import untraced


def quicken() -> None:
    """Replace ``torch.onnx.export`` and the entrances of ``torch.export`` in this process."""
    export = untraced(torch.onnx.export)

    @functools.wraps(export)
    def first(*args: Any, **options: Any) -> Any:
        torch.onnx.export = export
        for keep in (_keep_functions, _keep_operators):  # now, as they take a second to import
            with suppress(ImportError, AttributeError):  # private names: a version may lack them
                keep()
        return export(*args, **options)

    torch.onnx.export = first
    torch.export.export = untraced(torch.export.export)
    torch.export.load = untraced(torch.export.load)


@functools.cache
def _keep_functions() -> None:
    """Translations into ONNX, for each opset."""
    exporter: Any = import_module("torch.onnx._internal.exporter._registration")
    registry = exporter.ONNXRegistry
    make = functools.cache(registry.from_torchlib)

    def copied(cls: type[Any], *args: Any, **options: Any) -> Any:
        made, own = make(*args, **options), cls()
        vars(own).update(vars(made))
        own.functions = {target: list(known) for target, known in made.functions.items()}
        return own

    registry.from_torchlib = classmethod(copied)


@functools.cache
def _keep_operators() -> None:
    """Composite operators: found in C++ again only after more were registered there."""
    utils: Any = import_module("torch._export.utils")
    dispatcher: Any = torch._C
    find = utils._materialize_cpp_cia_ops
    known: list[str] = []

    def find_new() -> None:
        there = dispatcher._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd")
        if there != known:
            find()
            known[:] = there

    utils._materialize_cpp_cia_ops = find_new
