"""An ``nn.Module`` of the caller's, as the exporters take one."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spinn_edge.core.errors import UsageError, first_line
from spinn_edge.core.manifest import Architecture
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array
from spinn_edge.models.loading import LoadedModel
from spinn_edge.suite.sample_rows import read_sample, specs_of

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInMemory:
    """A model and one sample of its inputs.

    Attributes:
        name: in tables.
        module: the caller's own; never changed.
        sample: by input name, shape (batch, ...).
        factory: ``package.module:function`` that builds it without arguments; empty where there is
            none.
    """

    name: str
    module: nn.Module
    sample: Mapping[str, Array]
    factory: str = ""

    @classmethod
    def of(cls, model: Any, sample_input: Any, name: Any, factory: str | None) -> ModelInMemory:
        """Check what a caller gave.

        Raises:
            UsageError: the model is no module of float32, the sample is none, or the name is empty.
        """
        _check_module(model)
        if not isinstance(name, str) or not name.strip():
            raise UsageError(f"name={name!r}: expected the name that tables show, such as 'dense'")
        if factory is not None and ":" not in factory:
            raise UsageError(f"factory={factory!r}: expected 'package.module:function'")
        return cls(
            name=name,
            module=model,
            sample=read_sample(sample_input, model),
            factory=factory or "",
        )

    def load(self) -> LoadedModel:
        """Return a copy on the CPU, in evaluation mode, ready for the exporters.

        Raises:
            UsageError: it cannot be copied.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # torch warns of its own insides in a copied program
                module = copy.deepcopy(self.module).cpu().eval()
        except Exception as exc:  # the user's own module may raise anything
            raise UsageError(
                f"'{self.name}' cannot be copied ({type(exc).__name__}: {first_line(exc)}); models "
                "are exported from a copy, so that yours stays as it is"
            ) from exc
        module, architecture = self._architecture(module)
        return LoadedModel(
            origin=self.name,
            architecture=architecture,
            module=module,
            inputs=specs_of(self.sample),
        )

    def _architecture(self, module: nn.Module) -> tuple[nn.Module, Architecture]:
        """Return how another process makes the eager form again, without a pickle."""
        mlp = plain_mlp(module)
        shapes = [array.shape[1:] for array in self.sample.values()]
        if mlp is not None and shapes == [(mlp.widths[0],)]:
            kind = Architecture(kind="mlp", widths=mlp.widths, activation=mlp.activation)
            return mlp, kind
        if self.factory:
            return module, Architecture(kind="factory", factory=self.factory)
        return module, Architecture(kind="file")


def no_eager_form(name: str, module: nn.Module) -> str:
    """Say why ``eager`` and ``compile`` cannot be timed, and what can."""
    return (
        f"'{name}' is a {type(module).__name__}, whose code cannot be sent to another process "
        "without a pickle; a plain MLP can (Linear layers and one activation in nn.Sequential), "
        "and so can factory='package.module:function', which builds it without arguments; "
        "torchscript, pt2 and ort-cpu need neither"
    )


def plain_mlp(module: nn.Module) -> Any:
    """Return the MLP that computes the same with the same layers, or None where it is none.

    Only a ``nn.Sequential`` of ``Linear``, activation, ..., ``Linear`` is one: of a class with a
    ``forward`` of its own nobody knows what else it does.
    """
    from torch import nn

    from spinn_edge.models.modules import ACTIVATIONS, MLP

    layers = list(module.children())
    linear, between = [m for m in layers[::2] if type(m) is nn.Linear], layers[1::2]
    if type(module) not in (nn.Sequential, MLP) or len(linear) != len(between) + 1 or not between:
        return None
    names = {
        next((name for name, kind in ACTIVATIONS.items() if type(layer) is kind), "")
        for layer in between
    }
    activation = names.pop()
    if names or not activation or any(_is_changed(layer) for layer in (module, *layers)):
        return None
    mlp = MLP([linear[0].in_features, *(layer.out_features for layer in linear)], activation)
    try:
        # by order: names of an nn.Sequential may be anything
        mlp.load_state_dict(dict(zip(mlp.state_dict(), module.state_dict().values(), strict=True)))
    except (RuntimeError, ValueError):  # a layer without a bias, widths that do not fit
        return None
    return mlp.eval()


def _is_changed(layer: Any) -> bool:
    """Tell whether a layer computes something else than its class says."""
    hooks = layer._forward_hooks or layer._forward_pre_hooks
    return bool(hooks) or getattr(layer, "approximate", "none") != "none"


def _check_module(model: Any) -> None:
    torch = require("torch", extra="export")
    if not isinstance(model, torch.nn.Module):
        raise UsageError(
            f"model, the first argument, is a {type(model).__name__}, expected a torch.nn.Module; "
            "bundles and files are timed with: spinn-edge bench MODEL"
        )
    if hasattr(model, "_orig_mod"):
        raise UsageError(
            "model is what torch.compile returned; give the module itself (model._orig_mod) and "
            "runtimes=('compile',)"
        )
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_complex() or (tensor.is_floating_point() and tensor.dtype != torch.float32):
            kind = str(tensor.dtype).removeprefix("torch.")
            raise UsageError(
                f"model holds '{name}' in {kind}; models are timed in float32: give model.float()"
            )
    for name, parameter in model.named_parameters():  # a mask among the buffers may hold -inf
        if not bool(torch.isfinite(parameter).all()):
            raise UsageError(f"model holds NaN or Inf in '{name}'; train it again")
