"""A plain MLP from nothing but its named tensors."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spinn_edge.core.errors import UsageError
from spinn_edge.models.modules import MLP, find_activation, linear_layers

if TYPE_CHECKING:
    import torch

_FACTORY_HINT = (
    "for any other network name a function that builds it: package.module:factory --weights FILE"
)
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")


def unwrap_checkpoint(content: Any, *, where: str) -> dict[str, torch.Tensor]:
    """Find the state dict in what ``torch.load`` returned.

    A training checkpoint often holds it under ``state_dict`` or ``model_state_dict``, beside the
    optimiser's state.

    Raises:
        UsageError: there is no mapping of names to tensors.
    """
    import torch

    candidates = [content]
    if isinstance(content, Mapping):
        candidates += [content[key] for key in _WRAPPERS if key in content]
    for candidate in candidates:
        if (
            isinstance(candidate, Mapping)
            and candidate
            and all(isinstance(key, str) for key in candidate)
            and all(isinstance(value, torch.Tensor) for value in candidate.values())
        ):
            return dict(candidate)
    found = (
        sorted(map(str, content))[:8] if isinstance(content, Mapping) else type(content).__name__
    )
    raise UsageError(f"{where} holds no state dict (found {found}); {_FACTORY_HINT}")


def mlp_from_state_dict(
    tensors: Mapping[str, torch.Tensor], *, activation: str, where: str, in_file_order: bool
) -> MLP:
    """Build the MLP that ``tensors`` are the weights of.

    Assumed: the activation stands after every Linear layer but the last; Dropout, which does
    nothing at inference, may have left gaps in the numbering.

    Args:
        tensors: ``<name>.weight`` of shape (out, in) and ``<name>.bias`` of shape (out,) a layer.
        activation: name of the function between layers.
        where: name of the file, for messages.
        in_file_order: the mapping's order is that of definition (true of ``torch.save``).

    Returns:
        A float32 module in evaluation mode.

    Raises:
        UsageError: the tensors are no plain MLP; says which one does not fit.
    """
    import torch

    find_activation(activation)
    names = _layer_names(tensors, where)
    ordered = _order(names, tensors, in_file_order)
    if ordered is None:
        shapes = ", ".join(f"{name} {tuple(tensors[f'{name}.weight'].shape)}" for name in names)
        raise UsageError(
            f"{where} is no plain MLP: its layers do not form one chain ({shapes}); {_FACTORY_HINT}"
        )
    weights = [tensors[f"{name}.weight"] for name in ordered]
    mlp = MLP([weights[0].shape[1], *(weight.shape[0] for weight in weights)], activation)
    with torch.no_grad():
        for layer, name in zip(linear_layers(mlp), ordered, strict=True):
            for part in ("weight", "bias"):
                parameter = getattr(layer, part)
                parameter.copy_(tensors[f"{name}.{part}"])
                if not torch.isfinite(parameter).all():  # checked as float32: 1e300 is Inf there
                    raise UsageError(
                        f"{where}: tensor '{name}.{part}' holds NaN or Inf in float32; "
                        "train the model again, or give an earlier checkpoint"
                    )
    return mlp.eval()


def _layer_names(tensors: Mapping[str, torch.Tensor], where: str) -> list[str]:
    names = []
    for key, tensor in tensors.items():
        name, _, part = key.rpartition(".")
        if key in ("weight", "bias"):
            raise UsageError(
                f"{where} is no plain MLP: tensor '{key}' belongs to no named layer; "
                f"{_FACTORY_HINT}"
            )
        partner = {"weight": "bias", "bias": "weight"}.get(part)
        ndim = {"weight": 2, "bias": 1}.get(part)
        if partner is None or tensor.ndim != ndim or not tensor.is_floating_point():
            raise UsageError(
                f"{where} is no plain MLP: tensor '{key}' of shape {tuple(tensor.shape)} is "
                f"neither the weight nor the bias of a Linear layer; {_FACTORY_HINT}"
            )
        if (other := tensors.get(f"{name}.{partner}")) is None:
            raise UsageError(
                f"{where} is no plain MLP: layer '{name}' has a {part} but no {partner}; "
                f"{_FACTORY_HINT}"
            )
        if other.shape[:1] != tensor.shape[:1]:
            raise UsageError(
                f"{where} is no plain MLP: weight and bias of '{name}' differ in width"
            )
        if part == "weight":
            names.append(name)
    return names


def _order(
    names: Sequence[str], tensors: Mapping[str, torch.Tensor], in_file_order: bool
) -> list[str] | None:
    """Return the layer names in order of data flow, or None where it cannot be told."""
    if in_file_order and _is_chain(names, tensors):
        return list(names)
    numbers = [re.fullmatch(r"(.*?)(\d+)(\D*)", name) for name in names]
    frames = {(match[1], match[3]) if match else None for match in numbers}
    if len(frames) == 1 and None not in frames:  # network.0, network.3, ...
        ordered = sorted(names, key=lambda name: int(re.findall(r"\d+", name)[-1]))
        return ordered if _is_chain(ordered, tensors) else None
    if len({tensors[f"{name}.weight"].shape for name in names}) < len(names):
        return None  # two layers that could change places: any chain would have a twin
    chains = _all_chains(names, tensors)
    return chains[0] if len(chains) == 1 else None


def _is_chain(names: Sequence[str], tensors: Mapping[str, torch.Tensor]) -> bool:
    weights = [tensors[f"{name}.weight"] for name in names]
    return all(a.shape[0] == b.shape[1] for a, b in itertools.pairwise(weights))


def _all_chains(
    names: Sequence[str], tensors: Mapping[str, torch.Tensor], limit: int = 2
) -> list[list[str]]:
    """Return up to ``limit`` orders in which every layer's width fits the next one's input."""
    found: list[list[str]] = []

    def extend(chain: list[str]) -> None:
        if len(found) >= limit:
            return
        if len(chain) == len(names):
            found.append(chain)
        for name in names:
            if name not in chain and (not chain or _is_chain([chain[-1], name], tensors)):
                extend([*chain, name])

    extend([])
    return found
