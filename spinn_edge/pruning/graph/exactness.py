"""Proof that the smaller network computes what the full one does with its channels silent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError, first_line
from spinn_edge.core.pruning_record import GroupPlan
from spinn_edge.models.cutting import clone, find_tensor
from spinn_edge.pruning.graph.kept_norms import NORMS, KeptNorm

EXACTNESS = 1e-6
"""Allowed difference between the small and the masked network, as a share of output scale."""

EXACTNESS_FLOAT32 = 1e-5
"""The same where the network's own ``forward`` computes in float32 whatever it is given, or where
attention was cut, whose query weights are scaled and so rounded once more."""

PROBE_BATCH = 8

OTHER_SHAPES = "the smaller network gives outputs of shapes"
"""How the message begins where an output of the network was cut."""


def masked_twin(module: nn.Module, plans: Sequence[GroupPlan]) -> nn.Module:
    """Return a copy of full size in which the removed channels are silent.

    Silent means that a channel is made of zeros and read by nobody:

    * Linear, convolution, attention, embedding: zeros where the channel is made (role ``output``)
      and where it is taken (``input``). The first matters only where two activations are
      multiplied and summed over channels, as a query with a key.
    * What works on each channel alone (BatchNorm, InstanceNorm, depthwise convolution, PReLU,
      activations, parameters per channel; role ``channel``): as it was, for nobody reads it.
    * LayerNorm, RMSNorm, GroupNorm: statistics over the channels that stay.

    Args:
        module: of the sizes that the plans were made for; not changed.
        plans: one for each group.

    Raises:
        PruningError: the network cannot be copied, or has no tensor that a plan names.
    """
    twin = clone(module)
    norms: dict[nn.Module, set[int]] = {}
    for plan in plans:
        for cut_ in plan.cuts:
            removed = plan.removed_positions(cut_)
            owner, tensor = find_tensor(twin, cut_.tensor)
            if isinstance(owner, NORMS):
                norms.setdefault(owner, set()).update(removed)
            elif cut_.role != "channel" and removed and isinstance(tensor, Tensor):
                index = torch.tensor(removed, device=tensor.device)
                with torch.no_grad():
                    tensor.index_fill_(cut_.dim, index, 0)
    for norm, positions in norms.items():
        silent = KeptNorm(norm, positions).train(norm.training)
        if norm is twin:
            return silent
        for parent in list(twin.modules()):  # one norm may have several names
            for key in [key for key, child in parent._modules.items() if child is norm]:
                setattr(parent, key, silent)
    return twin


def prove_exact(
    module: nn.Module,
    small: nn.Module,
    plans: Sequence[GroupPlan],
    example: tuple[Tensor, ...],
) -> float:
    """Run the smaller network beside the masked one, in evaluation mode and float64.

    This catches what a look at the layers cannot: a ``forward`` that mixes channels.

    Args:
        module: of full size; not changed, nor its mode.
        small: what :func:`spinn_edge.models.cutting.cut` made of it; not changed.
        plans: what was cut.
        example: inputs that the network takes, batch first. Random inputs of their shapes are
            given to both networks: at least ``PROBE_BATCH`` samples, numbers of their range.

    Returns:
        Largest absolute difference over the scale of the output; over the worst output where
        there are several.

    Raises:
        PruningError: they differ by more than ``EXACTNESS``, or one of them does not run.
    """
    twin, small = masked_twin(module, plans).eval(), clone(small).eval()
    device = device_of(module)
    with own_random_numbers(device):
        expected, inputs, dtype = _run_twin(twin, example, device)
        try:
            got = run(_cast(small, dtype), inputs)
        except Exception as exc:  # the user's own forward may raise anything
            raise PruningError(f"the smaller network does not run: {first_line(exc)}") from exc
    rounded = dtype != torch.float64 or any(
        isinstance(layer, nn.MultiheadAttention) for layer in small.modules()
    )
    allowed = EXACTNESS_FLOAT32 if rounded else EXACTNESS
    if [t.shape for t in expected] != [t.shape for t in got]:
        raise PruningError(
            f"{OTHER_SHAPES} {[list(t.shape) for t in got]}, "
            f"the masked one {[list(t.shape) for t in expected]}"
        )
    error = 0.0
    for one, other in zip(expected, got, strict=True):
        distance = _distance(one, other)
        if not distance <= allowed:
            raise PruningError(
                f"the smaller network differs from the masked one by {distance:.2g} of its "
                f"output's scale (allowed {allowed:g}): its forward mixes channels in a way that "
                "cannot be followed"
            )
        error = max(error, distance)
    return error


def device_of(module: nn.Module) -> torch.device:
    """Return where the parameters are; the CPU for a network without any."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))


def probes(
    example: tuple[Tensor, ...], device: torch.device, dtype: torch.dtype, batch: int | None
) -> tuple[Tensor, ...]:
    """Return seeded random inputs like the example's: shapes, kinds and range of their numbers.

    Args:
        example: inputs, batch first.
        device: where the network is.
        dtype: of floating-point inputs.
        batch: samples; None for as many as the example has.
    """
    generator = torch.Generator().manual_seed(0)
    return tuple(_like(t, batch, generator).to(device, _type(t, dtype)) for t in example)


def _type(tensor: Tensor, dtype: torch.dtype) -> torch.dtype:
    if tensor.is_complex():
        return torch.complex128 if dtype == torch.float64 else torch.complex64
    return dtype if tensor.is_floating_point() else tensor.dtype


def _like(tensor: Tensor, batch: int | None, generator: torch.Generator) -> Tensor:
    shape = list(tensor.shape)
    if batch is not None and shape:
        shape[0] = batch
    if tensor.dtype == torch.bool:
        return torch.rand(shape, generator=generator) < 0.5
    if tensor.is_complex():
        return torch.randn(shape, dtype=torch.complex128, generator=generator)
    numbers = tensor.detach().double()
    low, high = (numbers.min().item(), numbers.max().item()) if numbers.numel() else (0.0, 0.0)
    if not tensor.is_floating_point():
        return torch.randint(int(low), int(high) + 1, shape, generator=generator)
    if not low < high < float("inf"):  # one number all over, such as zeros, says no range
        return torch.randn(shape, dtype=torch.float64, generator=generator)
    return low + (high - low) * torch.rand(shape, dtype=torch.float64, generator=generator)


def _run_twin(
    twin: nn.Module, example: tuple[Tensor, ...], device: torch.device
) -> tuple[list[Tensor], tuple[Tensor, ...], torch.dtype]:
    """Run in float64, or in float32 where a forward allows nothing else; return inputs as well."""
    samples = max([PROBE_BATCH, *(len(t) for t in example if t.ndim)])
    for dtype, batch in itertools.product((torch.float64, torch.float32), (samples, None)):
        try:
            inputs = probes(example, device, dtype, batch)
            outputs = run(_cast(twin, dtype), inputs)
        except Exception as exc:  # a forward that casts to float32, or takes one batch size
            failure = exc
            continue
        if not outputs:
            raise PruningError("the network's output holds no tensor: nothing can be compared")
        return outputs, inputs, dtype
    raise PruningError(
        f"the network does not run on random inputs of shapes {[list(t.shape) for t in example]} "
        f"({type(failure).__name__}: {first_line(failure)})"
    ) from failure


def _cast(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    return module.double() if dtype == torch.float64 else module.float()  # complex stays complex


def run(module: nn.Module, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Return a network's outputs as float64, random numbers from the same ones each time."""
    torch.manual_seed(0)
    with torch.enable_grad():  # a forward may differentiate its own output
        outputs = tensors_of(module(*(t.clone() for t in inputs)))
    return [t.detach().double() if not t.is_complex() else t.detach() for t in outputs]


def tensors_of(output: Any) -> list[Tensor]:
    """Return the tensors in what a network gives."""
    if isinstance(output, Tensor):
        return [output]
    if is_dataclass(output) and not isinstance(output, type):
        output = [getattr(output, field.name) for field in fields(output)]
    elif isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, list | tuple):
        return [tensor for part in output for tensor in tensors_of(part)]
    return []


def _distance(expected: Tensor, got: Tensor) -> float:
    if not expected.numel():
        return 0.0
    scale = expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    return float((expected - got).abs().max() / scale)


@contextmanager
def own_random_numbers(device: torch.device) -> Iterator[None]:
    """Leave the caller's random numbers as they were, and start from the same ones each time."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        yield
