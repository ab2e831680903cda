"""A bundle's network in float64, and its derivatives by automatic differentiation."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.derivatives import Channel, Derivative
from spinn_edge.core.errors import InferenceError, UsageError, first_line
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array, named_results
from spinn_edge.models.loading import LoadOptions, load_model


class TorchNetwork:
    """A PyTorch module called on numpy arrays, with derivatives.

    Attributes:
        module: from tensors to a tensor, a sequence or a dict.
    """

    def __init__(self, module: Any, outputs: Sequence[str], *, double: bool) -> None:
        """Wrap a module.

        Args:
            module: in evaluation mode.
            outputs: names of its results, in order.
            double: compute in float64, in a copy.
        """
        self._torch = require("torch", extra="export")
        if double:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch's insides, when a program is copied
                module = copy.deepcopy(module).double()
        self.module = module
        self._outputs = tuple(outputs)
        self._dtype = self._torch.float64 if double else self._torch.float32

    def differentiate(
        self, feeds: Mapping[str, Array], derivatives: Sequence[Derivative]
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return outputs by name and derivatives by request, shape (rows,), float64 arrays.

        Raises:
            InferenceError: the module failed, or has no automatic differentiation.
        """
        from spinn_edge.models.autograd import differentiate

        try:
            tensors = {
                name: self._torch.from_numpy(np.ascontiguousarray(array)).to(self._dtype)
                for name, array in feeds.items()
            }
            outputs, found = differentiate(self._named, tensors, derivatives)
        except Exception as exc:  # torch wraps kernel and user errors in many types
            raise InferenceError(
                f"automatic differentiation failed ({type(exc).__name__}): {first_line(exc)}"
            ) from exc
        return _arrays(outputs), _arrays(found)

    def channel(self, feeds: Mapping[str, Array], channel: Channel) -> Array:
        """Return one column of an output, shape (rows,)."""
        return np.asarray(self.differentiate(feeds, ())[0][channel.tensor][:, channel.index])

    def _named(self, *tensors: Any) -> dict[str, Any]:
        results = named_results(self.module(*tensors)).values()
        return dict(zip(self._outputs, results, strict=False))  # further results are derivatives


def exact_network(bundle: Bundle, *, trust_factory: bool) -> TorchNetwork:
    """Return a bundle's network, without the derivatives that it may give, in float64.

    Raises:
        UsageError: only ONNX or engines are there, which have no automatic differentiation; or the
            bundle's factory is not trusted.
        BundleError: the bundle is damaged.
        MissingDependencyError: torch is not installed.
    """
    module: Any = load_model(bundle.root, LoadOptions(trust_factory=trust_factory)).module
    if module is None:
        raise UsageError(
            f"{bundle.root} holds no form of its model that PyTorch can run, so there is no "
            "float64 reference for its derivatives; export it from its weights"
        )
    architecture = bundle.manifest.architecture
    if architecture.derivatives and architecture.kind != "file":
        module = module.network
    return TorchNetwork(module, network_outputs(bundle), double=True)


def network_outputs(bundle: Bundle) -> tuple[str, ...]:
    """Return the names of a bundle's outputs that are no derivatives."""
    given = {derivative.name for derivative in bundle.manifest.architecture.derivatives}
    return tuple(spec.name for spec in bundle.manifest.outputs if spec.name not in given)


def _arrays(tensors: Mapping[str, Any]) -> dict[str, Array]:
    return {name: tensor.double().numpy() for name, tensor in tensors.items()}
