"""Derivatives through what is deployed: read off, by automatic differentiation, or by differences.

A form that gives a derivative as an output is asked for it. PyTorch's own forms are differentiated
by PyTorch. Every other form is a function of numbers, and only differences are left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinn_edge.accuracy.physics.difference_steps import Evaluate, choose_step, measure_noise
from spinn_edge.accuracy.physics.exact_network import TorchNetwork, network_outputs
from spinn_edge.accuracy.physics.stencils import evaluate_all
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.derivatives import Channel, Derivative
from spinn_edge.core.tensors import Array, batch_of
from spinn_edge.runtimes.base import OpenOptions, Runtime, infer, only_file

BATCH = 256
"""Samples in one call; the last call is filled up, because some runtimes compile for each size."""

Feeds = Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDerivative:
    """A derivative through one form.

    Attributes:
        values: shape (rows,), float64.
        method: ``output``, ``autograd`` or ``differences``.
        noise: deviation of the form's rounding, output units; of differences only.
        step: of the difference, a share of the inputs' spread; likewise.
        expected: error that rounding and the formula explain; likewise.
    """

    values: Array
    method: str
    noise: float | None = None
    step: float | None = None
    expected: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormValues:
    """What one form gives at the samples.

    Attributes:
        outputs: by name, float64, shape (rows, columns); derivatives that the bundle gives are left
            out.
        derivatives: by request.
    """

    outputs: Mapping[str, Array]
    derivatives: Mapping[str, FoundDerivative]


def evaluate_form(
    name: str,
    runtime: Runtime,
    bundle: Bundle,
    options: OpenOptions,
    exact: TorchNetwork,
    feeds: Feeds,
    wanted: Sequence[Derivative],
    reference: Mapping[str, Array],
) -> FormValues:
    """Evaluate outputs and derivatives through one form.

    Args:
        name: of the runtime.
        runtime: open.
        bundle: what it runs.
        options: how it was opened.
        exact: the bundle's network in float64.
        feeds: samples, float32.
        wanted: derivatives.
        reference: by request, by automatic differentiation in float64.

    Raises:
        InferenceError: the form failed.
    """
    outputs = run_in_batches(runtime, bundle, feeds)
    given = {
        (d.output, tuple(sorted(d.inputs, key=str))): d.name
        for d in bundle.manifest.architecture.derivatives
    }
    found = {}
    rest = []
    for derivative in wanted:
        key = (derivative.output, tuple(sorted(derivative.inputs, key=str)))
        if key in given:
            values = np.asarray(outputs[given[key]][:, 0], np.float64)
            found[derivative.request] = FoundDerivative(values=values, method="output")
        else:
            rest.append(derivative)
    module = _differentiable(name, bundle, options) if rest else None
    if module is not None:
        network = TorchNetwork(module, network_outputs(bundle), double=False)
        for request, values in network.differentiate(feeds, rest)[1].items():
            found[request] = FoundDerivative(values=values, method="autograd")
    elif rest:

        def form(points: Feeds, channel: Channel) -> Array:
            column = run_in_batches(runtime, bundle, points)[channel.tensor][:, channel.index]
            return np.asarray(column, np.float64)

        for derivative in rest:
            found[derivative.request] = _by_differences(
                form, exact.channel, feeds, derivative, reference[derivative.request]
            )
    return FormValues(
        outputs={n: np.asarray(outputs[n], np.float64) for n in network_outputs(bundle)},
        derivatives=found,
    )


def run_in_batches(runtime: Runtime, bundle: Bundle, feeds: Feeds) -> dict[str, Array]:
    """Run all samples in calls of one size, whatever sizes the runtime takes."""
    rows = batch_of(bundle.manifest.inputs, feeds)
    facts, fixed = runtime.facts, bundle.manifest.inputs[0].shape[0]
    size = fixed or max(
        min(BATCH, bundle.manifest.max_batch, facts.max_batch or BATCH), facts.min_batch
    )
    parts = []
    for start in range(0, rows, size):
        index = np.minimum(np.arange(start, start + size), rows - 1)
        parts.append(
            infer(runtime, {n: np.ascontiguousarray(array[index]) for n, array in feeds.items()})
        )
    return {name: np.concatenate([part[name] for part in parts])[:rows] for name in parts[0]}


def _by_differences(
    form: Evaluate, exact: Evaluate, feeds: Feeds, derivative: Derivative, reference: Array
) -> FoundDerivative:
    noise = measure_noise(form, exact, feeds, derivative)
    step = choose_step(exact, feeds, derivative, reference, noise)
    values = evaluate_all(step.stencil, lambda points: form(points, derivative.output))
    return FoundDerivative(
        values=values, method="differences", noise=noise, step=step.share, expected=step.expected
    )


def _differentiable(name: str, bundle: Bundle, options: OpenOptions) -> Any:
    """Return what PyTorch differentiates in the place of a runtime; None where it cannot."""
    from spinn_edge.models.pt2_file import load_pt2
    from spinn_edge.models.torchscript_file import load_torchscript
    from spinn_edge.runtimes.pytorch.weights import eager_module

    if name == "eager":
        return eager_module(bundle, options)
    if name == "torchscript":
        return load_torchscript(bundle.path_of(only_file(bundle, name, options.precision)))
    if name == "pt2":
        return load_pt2(bundle.path_of(only_file(bundle, name, options.precision))).module()
    return None
