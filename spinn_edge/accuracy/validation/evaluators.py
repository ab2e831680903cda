"""Models of every kind, wrapped so that all are called in one way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from spinn_edge.accuracy.validation.torch_module import call_module, float_dtype_of
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.core.tensors import Array, TensorSpec
from spinn_edge.runtimes.model import Model as RuntimeModel
from spinn_edge.runtimes.model import open_runtime

BATCH = 256
"""Samples in one call, where the model takes so many."""

FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluator:
    """A model that can be called on named arrays; a context manager that closes what it opened.

    Attributes:
        name: in messages and tables.
        call: takes arrays in the order of the inputs.
        inputs: what it takes; empty where that is unknown.
        float_dtype: what numbers of a table become.
        largest: samples in one call.
        smallest: likewise; a smaller rest is filled up with samples that are then dropped.
        recipe: columns that it was trained on; None where that is unknown.
        close: frees what was opened for it.
    """

    name: str
    call: Callable[[Sequence[Array]], Any]
    inputs: tuple[TensorSpec, ...] = ()
    float_dtype: np.dtype[Any] = FLOAT32
    largest: int = BATCH
    smallest: int = 1
    recipe: DataRecipe | None = None
    close: Callable[[], None] = lambda: None

    def __enter__(self) -> Evaluator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def make_evaluator(model: Any, name: str, *, runtime: str = "ort-cpu") -> Evaluator:
    """Wrap a model.

    Args:
        model: an evaluator, a bundle or its folder, an open model of a runtime, an ``nn.Module``
            (run in evaluation mode, on the device of its parameters), or a function of arrays.
        name: in messages and tables.
        runtime: for a bundle.

    Raises:
        UsageError: something else.
        BundleError, RuntimeUnavailableError, MissingDependencyError: the bundle cannot be opened.
    """
    if isinstance(model, str | Path):
        model = Bundle.load(Path(model))
    if isinstance(model, Evaluator):
        return model
    if isinstance(model, Bundle):
        opened = open_runtime(model, runtime=runtime)
        return bundle_evaluator(model, opened, name, close=opened.close)
    if isinstance(model, RuntimeModel):
        return _of_runtime(model, name)
    torch = sys.modules.get("torch")  # whoever has a module has imported it
    if torch is not None and isinstance(model, torch.nn.Module):
        return Evaluator(
            name=name,
            call=lambda arrays: call_module(torch, model, arrays),
            float_dtype=float_dtype_of(model),
        )
    if callable(model):
        return Evaluator(name=name, call=lambda arrays: model(*arrays))
    raise UsageError(
        f"the {name} model is a {type(model).__name__}; expected a bundle folder, an open model of "
        "a runtime, an nn.Module, or a function of numpy arrays"
    )


def bundle_evaluator(
    bundle: Bundle, opened: RuntimeModel, name: str, *, close: Callable[[], None] = lambda: None
) -> Evaluator:
    """Wrap a bundle that was opened, whose manifest says how large a batch is proved.

    Args:
        bundle: what was opened.
        opened: the open model.
        name: in messages and tables.
        close: frees what was opened, where that is not the caller's business.
    """
    training = bundle.manifest.training
    return _of_runtime(
        opened,
        name,
        most=bundle.manifest.max_batch,
        recipe=training.recipe if training else None,
        close=close,
    )


def _of_runtime(
    model: RuntimeModel,
    name: str,
    *,
    most: int = BATCH,
    recipe: DataRecipe | None = None,
    close: Callable[[], None] = lambda: None,
) -> Evaluator:
    def call(arrays: Sequence[Array]) -> dict[str, Array]:
        feeds = {spec.name: array for spec, array in zip(model.inputs, arrays, strict=True)}
        result = model(feeds)
        return dict(result) if isinstance(result, Mapping) else {model.outputs[0].name: result}

    facts, fixed = model.facts, model.inputs[0].shape[0]
    largest = min(BATCH, most, facts.max_batch or BATCH)
    smallest = facts.min_batch
    if fixed is not None:
        largest = smallest = fixed
    return Evaluator(
        name=name,
        call=call,
        inputs=model.inputs,
        largest=max(largest, smallest),
        smallest=smallest,
        recipe=recipe,
        close=close,
    )
