"""A loaded model with derivatives beside its outputs, and the reference that proves them.

The reference is PyTorch's automatic differentiation of the original network in float64. It shares
no code with what is exported.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from spinn_edge.core.derivatives import ChannelNames, Derivative, channel_names, parse_derivatives
from spinn_edge.core.errors import ExportError, UsageError
from spinn_edge.core.manifest import Manifest
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array, TensorSpec
from spinn_edge.export.reference import Evaluate, Reference, module_reference
from spinn_edge.export.shapes import input_specs
from spinn_edge.models.loading import LoadedModel

SHARES = {1: 1e-5, 2: 1e-4}
"""By order, what an exported form's derivative may differ from eager float32's, a share of its
scale. A second derivative is a sum of terms that cancel: it keeps a digit less."""

EXACT_SHARE = 1e-8
"""What the two ways to compute a derivative may differ by in float64, a share of its scale."""


def differentiated(
    loaded: LoadedModel, requests: Sequence[str], input_shapes: Sequence[TensorSpec] = ()
) -> LoadedModel:
    """Return a model that gives derivatives beside its outputs.

    Derivatives that a bundle gives already are replaced.

    Args:
        loaded: the model, with its eager form.
        requests: ``OUTPUT:INPUT`` or ``OUTPUT:INPUT:INPUT``; none returns ``loaded`` itself.
        input_shapes: model inputs, where the model does not say them itself.

    Raises:
        UsageError: a request names an unknown column, the model's inputs are not known, or it has
            no eager form.
        ExportError: the network holds something that derivatives cannot be carried through.
    """
    if not requests:
        return loaded
    torch = require("torch", extra="export")
    if loaded.module is None or loaded.format or isinstance(loaded.module, torch.jit.ScriptModule):
        raise UsageError(
            f"'{loaded.origin}' is an exported program; derivatives are built into the network "
            "before it is exported: give its state dict, its factory, or a bundle with weights"
        )
    from spinn_edge.models.derivative_module import DerivativeModule

    network = original_network(loaded.module)
    inputs = input_specs(loaded, input_shapes)
    outputs = _outputs(network, inputs)
    names = _names(loaded, inputs, outputs)
    derivatives = parse_derivatives(requests, names)
    module = DerivativeModule(
        network,
        derivatives,
        inputs={spec.name: spec.shape[1] or 0 for spec in inputs},
        outputs=[spec.name for spec in outputs],
    )
    architecture = replace(loaded.architecture, derivatives=derivatives)
    return replace(loaded, module=module, architecture=architecture)


def original_network(module: Any) -> Any:
    """Return the network without derivatives."""
    return module.network if hasattr(module, "output_names") else module


def derivative_reference(module: Any) -> Reference:
    """Return the evaluators of a network with derivatives.

    Args:
        module: a :class:`spinn_edge.models.derivative_module.DerivativeModule`.
    """
    own = module_reference(module)
    network = module_reference(module.network)
    double = copy.deepcopy(module.network).double()

    def named(outputs: Mapping[str, Array]) -> dict[str, Array]:
        return dict(zip(module.output_names, outputs.values(), strict=True))

    def exact(inputs: Mapping[str, Array]) -> dict[str, Array]:
        outputs = network.exact(inputs)  # with our words where the network fails
        found = _by_autograd(double, inputs, module)
        carried = named(own.exact(inputs))
        for derivative in module.derivatives:
            _check_equal(derivative, carried[derivative.name], found[derivative.name])
        return {**outputs, **found}

    return Reference(
        eager=lambda inputs: named(own.eager(inputs)),
        exact=exact,
        shares={d.name: SHARES[d.order] for d in module.derivatives},
    )


def named_as_before(reference: Reference, manifest: Manifest) -> Reference:
    """Return the evaluators of an exported program under the names that its manifest gives.

    A program with several results has forgotten their names, and how they were computed.
    """
    names = tuple(spec.name for spec in manifest.outputs)

    def named(evaluate: Evaluate) -> Evaluate:
        return lambda inputs: dict(zip(names, evaluate(inputs).values(), strict=True))

    return replace(
        reference,
        eager=named(reference.eager),
        exact=named(reference.exact),
        shares={name: limit.share for name, limit in manifest.parity.items()},
    )


def _by_autograd(network: Any, inputs: Mapping[str, Array], module: Any) -> dict[str, Array]:
    from spinn_edge.models.autograd import differentiate

    torch = require("torch", extra="export")
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(array)).double()
        for name, array in inputs.items()
    }
    _, found = differentiate(network, tensors, module.derivatives)
    return {d.name: found[d.request].numpy()[:, None] for d in module.derivatives}


def _check_equal(derivative: Derivative, carried: Array, reference: Array) -> None:
    """Refuse a derivative that is not the network's: its error must not pass for rounding."""
    scale = float(np.abs(reference).max())
    difference = float(np.abs(carried - reference).max())
    if not difference <= EXACT_SHARE * (scale or 1.0):
        raise ExportError(
            f"the derivative '{derivative.request}' that was built differs from automatic "
            f"differentiation by {difference:.3g} at a scale of {scale:.3g}, in float64; the "
            "network does something that derivatives cannot be carried through"
        )


def _outputs(network: Any, inputs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """Run the network once to see what it gives."""
    zeros = {
        spec.name: np.zeros((2, *(size or 1 for size in spec.shape[1:])), spec.dtype)
        for spec in inputs
    }
    found = module_reference(network).eager(zeros)
    return tuple(
        TensorSpec(name, (None, *array.shape[1:]), array.dtype) for name, array in found.items()
    )


def _names(
    loaded: LoadedModel, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> ChannelNames:
    training = loaded.bundle.manifest.training if loaded.bundle else None
    if training is None:
        return channel_names(inputs, outputs)
    recipe = training.recipe
    return channel_names(inputs, outputs, features=recipe.features, targets=recipe.targets)
