"""What channels are judged by: weights, and what data does to a network; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.func import functional_call

from spinn_edge.core.errors import PruningError, first_line
from spinn_edge.models.cutting import NORMALIZED_SHAPE
from spinn_edge.pruning.criteria.activations import ActivationMeter
from spinn_edge.pruning.criteria.channel_values import channel_values
from spinn_edge.pruning.graph.groups import Group
from spinn_edge.training.fitting import Batches, Loss


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What is known of a network's channels; float64 on the host.

    Attributes:
        weights: parameters and buffers by their name in the state dict; one that has several names
            is the same tensor under each.
        buffers: names of those that are no parameters.
        loss_changes: for each group the first-order change of the loss without a channel, shape
            (batches, channels), loss units; empty unless gradients were taken.
        rows: samples of each of those batches, shape (batches,).
        activations: mean absolute activation, shape (channels,); empty unless they were taken.
        seed: of whatever is random.
    """

    weights: Mapping[str, Tensor]
    buffers: frozenset[str] = frozenset()
    loss_changes: Mapping[Group, Tensor] = field(default_factory=dict)
    rows: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.float64))
    activations: Mapping[Group, Tensor] = field(default_factory=dict)
    seed: int = 0

    def values(self, group: Group, roles: Sequence[str], *, biases: bool = False) -> list[Tensor]:
        """Return the weights of a group's channels, a tensor (channels, values) for each cut.

        Args:
            group: what to look at.
            roles: of the cuts, as in :class:`spinn_edge.core.pruning_record.Cut`.
            biases: also those; running statistics never.
        """
        found, seen = [], set[tuple[object, ...]]()
        for part in group.cuts:
            if part.role not in roles or part.tensor.endswith(NORMALIZED_SHAPE):
                continue
            if part.role == "channel" and part.tensor in self.buffers:
                continue
            if part.tensor.endswith("bias") and not biases:
                continue
            tensor = self.weights[part.tensor]
            place = (id(tensor), part.dim, part.offset, part.repeat)
            if place not in seen:  # a shared tensor under two names counts once
                seen.add(place)
                found.append(channel_values(tensor, part, group))
        return found


def collect_evidence(
    module: nn.Module,
    groups: Sequence[Group],
    needs: str,
    *,
    name: str,
    batches: Batches | None = None,
    loss: Loss | None = None,
    seed: int = 0,
) -> Evidence:
    """Read the weights and, where they are needed, take gradients or activations from data.

    Args:
        module: not changed.
        groups: what will be judged.
        needs: ``weights``, ``gradients`` or ``activations``.
        name: of the criterion, for errors.
        batches: (x, y), gone through once.
        loss: of (prediction, y), a scalar mean over the batch.
        seed: of whatever is random in the network or the batches.

    Raises:
        PruningError: a group names a tensor that is not there, data or a loss is missing, the
            network fails on the data, or no module gives the channels of a group.
    """
    weights, buffers = _read_weights(module, groups)
    if needs == "weights" or not groups:
        return Evidence(weights=weights, buffers=buffers, seed=seed)
    if batches is None:
        raise PruningError(
            f"the importance '{name}' is measured on data, and none was given; give rows (--data), "
            "or name one that needs none, such as l1-outgoing"
        )
    if needs == "gradients" and loss is None:
        raise PruningError(
            f"the importance '{name}' needs a loss to take gradients of, and none was given; give "
            "loss=, for example torch.nn.functional.mse_loss"
        )
    with _undisturbed(module, seed), _failures_in_words(name):
        if needs == "gradients":
            assert loss is not None
            changes, rows = _take_gradients(module, groups, batches, loss)
            taken = {"loss_changes": changes}
        else:
            activations, rows = _take_activations(module, groups, batches)
            taken = {"activations": activations}
    if not len(rows):
        raise PruningError(
            f"the batches for the importance '{name}' gave no samples; give a DataLoader or a "
            "list, which can be gone through once a round, and not a generator"
        )
    return Evidence(weights=weights, buffers=buffers, rows=rows, seed=seed, **taken)


def _read_weights(
    module: nn.Module, groups: Sequence[Group]
) -> tuple[Mapping[str, Tensor], frozenset[str]]:
    parameters = dict(module.named_parameters(remove_duplicate=False))
    buffers = dict(module.named_buffers(remove_duplicate=False))
    copies: dict[int, Tensor] = {}
    for tensor in (*parameters.values(), *buffers.values()):
        if id(tensor) not in copies:
            copies[id(tensor)] = tensor.detach().to("cpu", torch.float64, copy=True)
    weights = {name: copies[id(tensor)] for name, tensor in {**parameters, **buffers}.items()}
    for group in groups:
        for part in group.cuts:
            if part.tensor not in weights and not part.tensor.endswith(NORMALIZED_SHAPE):
                raise PruningError(
                    f"'{group.name}' goes through '{part.tensor}', which the network does not "
                    "have; give the network that these groups were found in"
                )
    return MappingProxyType(weights), frozenset(buffers)


def _take_gradients(
    module: nn.Module, groups: Sequence[Group], batches: Batches, loss: Loss
) -> tuple[dict[Group, Tensor], Tensor]:
    """Return the first-order change of the loss by group and batch, and the rows of each batch."""
    for group in groups:
        if not any(part.role == "input" for part in group.cuts):
            raise PruningError(
                f"no layer takes the channels of '{group.name}' by weights, so no gradient tells "
                "what they change; name another --importance"
            )
    state = _copy_state(module)
    names = sorted({part.tensor for group in groups for part in group.cuts if part.role == "input"})
    leaves = {id(state[name]): state[name].requires_grad_() for name in names}
    found: dict[Group, list[Tensor]] = {group: [] for group in groups}
    rows = list[int]()
    for x, y in _on_device(module, batches):
        value = loss(functional_call(module, state, (x,)), y)
        if value.numel() != 1:
            raise PruningError(
                f"the loss gave shape {tuple(value.shape)}, expected one number: a mean over the "
                "batch"
            )
        gradients = torch.autograd.grad(value.sum(), tuple(leaves.values()), allow_unused=True)
        products = {
            key: torch.zeros_like(leaf, device="cpu", dtype=torch.float64)
            if gradient is None
            else (gradient.double() * leaf.detach().double()).cpu()
            for (key, leaf), gradient in zip(leaves.items(), gradients, strict=True)
        }
        changes = Evidence(weights={name: products[id(state[name])] for name in names})
        rows.append(len(x))
        for group in groups:
            found[group].append(torch.cat(changes.values(group, ("input",)), dim=1).sum(dim=1))
    stacked = {group: torch.stack(changes) for group, changes in found.items() if changes}
    return stacked, torch.tensor(rows, dtype=torch.float64)


def _take_activations(
    module: nn.Module, groups: Sequence[Group], batches: Batches
) -> tuple[dict[Group, Tensor], Tensor]:
    """Return the mean absolute activation by group, and the rows of each batch."""
    state = _copy_state(module)
    rows = list[int]()
    with ActivationMeter(module, groups) as meter:
        for x, _ in _on_device(module, batches):
            with torch.no_grad():
                functional_call(module, state, (x,))
            meter.end_batch()
            rows.append(len(x))
        return (meter.means() if rows else {}), torch.tensor(rows, dtype=torch.float64)


def _copy_state(module: nn.Module) -> dict[str, Tensor]:
    """Return copies for a run that may write into them; a shared tensor stays shared."""
    copies: dict[int, Tensor] = {}
    named = (
        *module.named_parameters(remove_duplicate=False),
        *module.named_buffers(remove_duplicate=False),
    )
    for _, tensor in named:
        if id(tensor) not in copies:
            copies[id(tensor)] = tensor.detach().clone()
    return {name: copies[id(tensor)] for name, tensor in named}


def _on_device(module: nn.Module, batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    device = next(module.parameters()).device
    for x, y in batches:
        if len(x):
            yield x.to(device), y.to(device)


@contextmanager
def _undisturbed(module: nn.Module, seed: int) -> Iterator[None]:
    """Run in evaluation mode with generators of its own; give modes and generators back."""
    modes = [(part, part.training) for part in module.modules()]
    devices = sorted({p.device.index or 0 for p in module.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices):
        # not torch.manual_seed, which would reach devices that were not saved
        torch.default_generator.manual_seed(seed)
        for index in devices:
            torch.cuda.default_generators[index].manual_seed(seed)
        try:
            module.eval()
            yield
        finally:
            for part, training in modes:
                part.training = training


@contextmanager
def _failures_in_words(name: str) -> Iterator[None]:
    try:
        yield
    except PruningError:
        raise
    except Exception as exc:  # the network, the loss and the batches are the user's own
        raise PruningError(
            f"the network could not be run on the data for the importance '{name}': "
            f"{type(exc).__name__}: {first_line(exc)}; give batches (x, y) that it was trained on"
        ) from exc
