"""Two models on the same samples: where they differ, how much, in which channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spinn_edge.accuracy.metrics.faults import Fault, find_fault
from spinn_edge.accuracy.metrics.outputs import (
    OutputMetrics,
    channel_names,
    finite_json,
    measure_output,
)
from spinn_edge.accuracy.validation.evaluation import Outputs, evaluate
from spinn_edge.accuracy.validation.evaluators import Evaluator, make_evaluator
from spinn_edge.accuracy.validation.labelled import name_arrays
from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDifference:
    """One output of both models.

    Attributes:
        output: its name, as the first model calls it.
        first: what the first model returned, shape (samples, ...).
        second: likewise the second.
        channels: names of the channels on axis 1.
        metrics: the second against the first; None where there is a fault.
        fault: why no number can be given; None where there is none.
    """

    output: str
    first: Array = field(repr=False)
    second: Array = field(repr=False)
    channels: tuple[str, ...] = ()
    metrics: OutputMetrics | None = None
    fault: Fault | None = None

    def to_json(self) -> dict[str, Any]:
        """Return name, metrics and fault; null for what is infinite. The arrays are left out."""
        return {
            "output": self.output,
            "fault": finite_json(self.fault),
            "metrics": finite_json(self.metrics),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two models on the same samples.

    Attributes:
        names: of the two models.
        samples: how many there were.
        outputs: every output that the two have in common.
        fault: why their outputs cannot be paired; None where they can.
    """

    names: tuple[str, str]
    samples: int
    outputs: tuple[OutputDifference, ...]
    fault: str | None = None

    @property
    def worst(self) -> OutputDifference | None:
        """The first output with a fault, else that with the largest error over its scale."""
        if not self.outputs:
            return None
        for output in self.outputs:
            if output.fault is not None:
                return output
        return max(self.outputs, key=_largest)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the arrays."""
        return {
            "models": list(self.names),
            "samples": self.samples,
            "fault": self.fault,
            "outputs": [output.to_json() for output in self.outputs],
        }


class OutputComparator:
    """Runs two models on the same inputs.

    The first is the reference. Models are what :func:`make_evaluator` takes.
    """

    def __init__(
        self,
        a: Any,
        b: Any,
        *,
        names: tuple[str, str] = ("first", "second"),
        runtimes: tuple[str, str] = ("ort-cpu", "ort-cpu"),
        channels: Sequence[str] = (),
    ) -> None:
        """Keep two models.

        Args:
            a: the reference.
            b: what is held against it.
            names: in messages and figures.
            runtimes: for models that are bundles.
            channels: names of the outputs' channels, for figures.
        """
        self._models = (a, b)
        self._names = names
        self._runtimes = runtimes
        self._channels = tuple(channels)

    def compare(self, x: Any) -> Comparison:
        """Run both.

        Args:
            x: an array of shape (samples, ...), a tensor, a sequence of them in the order of the
                inputs, or a mapping by name. Nothing is converted.

        Raises:
            UsageError: no samples, or not the inputs of the models.
            InferenceError: a model refused or failed.
        """
        inputs = name_arrays(x, "input")
        counts = {name: array.shape[:1] for name, array in inputs.items()}
        if not inputs or len(set(counts.values())) > 1 or next(iter(counts.values())) in ((), (0,)):
            shapes = {name: list(array.shape) for name, array in inputs.items()}
            raise UsageError(
                f"inputs of shape {shapes}; expected the same samples on axis 0 of all"
            )
        returned: list[Outputs] = []
        for model, name, runtime in zip(self._models, self._names, self._runtimes, strict=True):
            with make_evaluator(model, name, runtime=runtime) as evaluator:
                returned.append(_run(evaluator, inputs, named=isinstance(x, Mapping)))
        return compare_outputs(returned[0], returned[1], names=self._names, channels=self._channels)


def compare_outputs(
    first: Outputs,
    second: Outputs,
    *,
    names: tuple[str, str],
    channels: Sequence[str] = (),
    span: float | None = None,
    floor: float | None = None,
) -> Comparison:
    """Measure the second model's outputs against the first's.

    Outputs pair by name; by order where a model does not name its own, or both have only one.

    Args:
        first: the reference.
        second: what is held against it.
        names: of the two models.
        channels: names of the channels of every output that has so many.
        span: see :func:`measure_output`.
        floor: likewise.
    """
    samples = len(next(iter(first.arrays.values())))
    pairs = _paired(first, second)
    if pairs is None:
        fault = (
            f"the {names[0]} model returns {list(first.arrays)}, the {names[1]} model "
            f"{list(second.arrays)}"
        )
        return Comparison(names=names, samples=samples, outputs=(), fault=fault)
    outputs = []
    for name, (one, other) in pairs.items():
        whose = (f"the {names[0]} model's output", f"the {names[1]} model's output")
        broken = find_fault(one, other, names=whose)
        labels = channel_names(one, channels)
        metrics = None if broken else measure_output(one, other, labels, span=span, floor=floor)
        outputs.append(
            OutputDifference(
                output=name, first=one, second=other, channels=labels, metrics=metrics, fault=broken
            )
        )
    return Comparison(names=names, samples=samples, outputs=tuple(outputs))


def _run(evaluator: Evaluator, inputs: Mapping[str, Array], *, named: bool) -> Outputs:
    return evaluate(evaluator, inputs, named=named)


def _paired(first: Outputs, second: Outputs) -> dict[str, tuple[Array, Array]] | None:
    one, other = first.arrays, second.arrays
    if set(one) == set(other):
        return {name: (array, other[name]) for name, array in one.items()}
    if len(one) != len(other) or (first.named and second.named and len(one) > 1):
        return None
    pairs = zip(one.values(), other.values(), strict=True)
    return dict(zip(one, pairs, strict=True))


def _largest(output: OutputDifference) -> float:
    assert output.metrics is not None
    over = output.metrics.worst.over_scale
    return np.inf if np.isnan(over) else over
