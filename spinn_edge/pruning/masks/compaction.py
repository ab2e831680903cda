"""Neurons that masks have cut off are removed, exactly."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import nn

from spinn_edge.core.errors import PruningError, first_line
from spinn_edge.core.pruning_record import LayerAudit
from spinn_edge.pruning.graph.chain import find_chain, shrink, widths_of
from spinn_edge.pruning.masks.applying import permanent_copy
from spinn_edge.pruning.masks.weights import Masks

M = TypeVar("M", bound=nn.Module)

COMPACT_EXACTNESS = 1e-9
"""Allowed difference from the network before, as a share of output scale, in float64."""

_PROBES = 64
"""Random samples of each magnitude."""

_MAGNITUDES = (0.1, 1.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactModel(Generic[M]):
    """A smaller network that computes the same.

    Attributes:
        module: plain, in evaluation mode, in the precision of the one that was given.
        kept: for each hidden layer, the neurons that stayed, ascending, int64.
        layers: widths of the hidden layers before and after.
        constant: neurons removed that had no incoming weight, folded into the next bias.
        unused: neurons removed that had no outgoing weight.
        error: largest difference in float64, as a share of output scale.
        parameters_before: of the whole network.
        parameters_after: likewise.
    """

    module: M
    kept: tuple[torch.Tensor, ...]
    layers: tuple[LayerAudit, ...]
    constant: int
    unused: int
    error: float
    parameters_before: int
    parameters_after: int


def compact(model: M) -> CompactModel[M]:
    """Remove the neurons whose incoming or whose outgoing weights are all 0.

    A neuron without incoming weights is the constant f(bias), which goes into the next layer's
    bias; a neuron without outgoing weights just goes. That may cut off others, so it is repeated
    until nothing changes. One neuron of a layer always stays. Constants are computed and compared
    in float64; a float32 network's biases are rounded once, at the end.

    Args:
        model: a plain MLP: Linear layers, elementwise functions and Dropout between them, in
            any ``forward`` that runs them as a chain; with masks on it or zeros in it. Not changed.

    Returns:
        The smaller network and what went.

    Raises:
        PruningError: the network is no such MLP, a parameter is NaN or Inf, or the smaller network
            does not give the same outputs.
    """
    plain = permanent_copy(model).eval()
    chain = find_chain(plain)
    before = widths_of(chain)
    for name, parameter in plain.named_parameters():
        if not torch.isfinite(parameter).all():
            raise PruningError(
                f"'{name}' holds NaN or Inf; load weights of a run that did not diverge"
            )
    dtypes = {parameter.dtype for parameter in plain.parameters()}
    exact = copy.deepcopy(plain).double()
    kept = [torch.arange(width) for width in before[1:-1]]
    constants = unused = 0
    while True:
        small, keep, folded, dropped = _compact_once(exact)
        if not folded and not dropped:
            break
        exact, constants, unused = small, constants + folded, unused + dropped
        kept = [was[now] for was, now in zip(kept, keep, strict=True)]
    error = _prove(plain, exact)
    after = widths_of(find_chain(exact))
    return CompactModel(
        module=exact.to(dtypes.pop()).eval(),
        kept=tuple(kept),
        layers=tuple(
            LayerAudit(name=name, before=was, after=now)
            for (name, _), was, now in zip(chain, before[1:-1], after[1:-1], strict=False)
        ),
        constant=constants,
        unused=unused,
        error=error,
        parameters_before=_count(plain),
        parameters_after=_count(exact),
    )


def compact_masks(masks: Masks, names: Sequence[str], kept: Sequence[torch.Tensor]) -> Masks:
    """Return the masks of what :func:`compact` left.

    Args:
        masks: of the network before.
        names: of its weights, in order of the chain.
        kept: for each hidden layer, the neurons that stayed.
    """
    small, columns = Masks(), torch.arange(masks[names[0]].shape[1])
    for name, rows in zip(names, [*kept, torch.arange(len(masks[names[-1]]))], strict=True):
        small[name] = masks[name].cpu()[rows][:, columns].contiguous()
        columns = rows
    return small


def _compact_once(network: M) -> tuple[M, list[torch.Tensor], int, int]:
    """Return a smaller float64 copy, what it keeps, and how many neurons went for either reason."""
    layers = [layer for _, layer in find_chain(network)]
    arrivals = _arriving(network, layers)
    folded = copy.deepcopy(network)
    followers = [layer for _, layer in find_chain(folded)][1:]
    keep, constants, unused = list[torch.Tensor](), 0, 0
    for layer, following, follower, values in zip(
        layers, layers[1:], followers, arrivals, strict=False
    ):
        silent = ~following.weight.detach().any(dim=0)
        constant = ~layer.weight.detach().any(dim=1) & ~silent
        gone = silent | constant
        if bool(gone.all()):  # a layer keeps one neuron; one that is used, if there is one
            stays = int(torch.argmax(constant.int()))
            silent[stays] = constant[stays] = gone[stays] = False
        if bool(constant.any()):
            _fold(follower, following.weight.detach()[:, constant] @ values[0, constant])
        keep.append(torch.nonzero(~gone).flatten().cpu())
        constants += int(constant.sum())
        unused += int(silent.sum())
    return shrink(folded, keep), keep, constants, unused


def _fold(layer: nn.Linear, shift: torch.Tensor) -> None:
    with torch.no_grad():
        if layer.bias is not None:
            layer.bias.add_(shift)
        elif bool(shift.any()):
            layer.bias = nn.Parameter(shift.clone())


@torch.no_grad()
def _arriving(network: nn.Module, layers: Sequence[nn.Linear]) -> list[torch.Tensor]:
    """Return what comes to every layer but the first, shape (probes, inputs), float64.

    So the function between two layers need not be known: a neuron's constant is seen where it
    arrives.
    """
    seen: dict[int, list[torch.Tensor]] = {id(layer): [] for layer in layers}
    handles = [
        layer.register_forward_pre_hook(lambda module, x: seen[id(module)].append(x[0]))
        for layer in layers
    ]
    try:
        _run(network, _probe(layers[0]))
    finally:
        for handle in handles:
            handle.remove()
    if any(len(found) != 1 or found[0].dim() != 2 for found in seen.values()):
        raise PruningError(
            "a Linear layer runs not once for a sample, or not at all: the network is no plain "
            "chain of layers, and only plain MLPs can be compacted"
        )
    return [seen[id(layer)][0] for layer in layers[1:]]


def _prove(before: nn.Module, after: nn.Module) -> float:
    probe = _probe(find_chain(before)[0][1])
    expected, got = _run(copy.deepcopy(before).double(), probe), _run(after, probe)
    scale = expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    error = float((expected - got).abs().max() / scale) if expected.shape == got.shape else 1.0
    if not error <= COMPACT_EXACTNESS:
        raise PruningError(
            f"the compacted network differs by {error:.2g} of its output's scale (allowed "
            f"{COMPACT_EXACTNESS:g}): its forward does more than Linear layers with elementwise "
            "functions between them, and only plain MLPs can be compacted"
        )
    return error


def _probe(first: nn.Linear) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (_PROBES * len(_MAGNITUDES), first.in_features)
    probe = torch.randn(shape, generator=generator, dtype=torch.float64)
    factors = torch.tensor(_MAGNITUDES, dtype=torch.float64).repeat_interleave(_PROBES)
    return (probe * factors[:, None]).to(first.weight.device)


@torch.no_grad()
def _run(network: nn.Module, probe: torch.Tensor) -> torch.Tensor:
    try:
        output = network(probe)
    except Exception as exc:  # the user's own forward may raise anything
        raise PruningError(
            f"the network cannot be run in float64 as a chain of layers ({first_line(exc)}); "
            "only plain MLPs can be compacted"
        ) from exc
    if not isinstance(output, torch.Tensor):
        raise PruningError(
            f"the network returns a {type(output).__name__}, not a tensor; only plain MLPs can be "
            "compacted"
        )
    return output


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
