"""How much a channel matters. One function a criterion, one line each in the table."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.pruning.criteria.evidence import Evidence, collect_evidence
from spinn_edge.pruning.criteria.own_importance import Importance as Importance
from spinn_edge.pruning.criteria.own_importance import importance_name as importance_name
from spinn_edge.pruning.criteria.own_importance import own_scores
from spinn_edge.pruning.graph.groups import ChannelGraph, Group
from spinn_edge.training.fitting import Batches, Loss


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One way to score channels.

    Attributes:
        name: key in ``IMPORTANCES``.
        score: of a group and the evidence, to shape (channels,), float64, host; higher matters
            more, and nothing is below 0.
        needs: ``weights``; or ``gradients`` or ``activations``, which are taken from data.
        words: what it measures, for a list of choices.
    """

    name: str
    score: Callable[[Group, Evidence], Tensor]
    needs: str
    words: str

    @property
    def needs_data(self) -> bool:
        """Whether batches must be given."""
        return self.needs != "weights"


def score_groups(
    module: nn.Module,
    graph: ChannelGraph,
    criterion: str | Importance,
    *,
    batches: Batches | None = None,
    loss: Loss | None = None,
    seed: int = 0,
) -> tuple[Tensor, ...]:
    """Score every channel of every group.

    Args:
        module: not changed: neither weights, gradients, mode nor hooks.
        graph: its groups; every tensor that they name is in the module.
        criterion: key of ``IMPORTANCES``, or a function of (weights by name, group) to scores.
        batches: (x, y), each of shape (batch, ...), gone through once in evaluation mode by a
            criterion that needs data.
        loss: of (prediction, y), a scalar mean over the batch, for one that needs gradients.
        seed: of random scores, and of whatever is random in the network or the batches; the
            process's own generators are left as they were.

    Returns:
        One tensor a group, in order: shape (channels,), float64, host; higher matters more.

    Raises:
        PruningError: an unknown name, no data or loss for a criterion that needs it, a group that
            the criterion cannot score, or scores that are no finite numbers.
    """
    chosen = find_criterion(criterion) if isinstance(criterion, str) else None
    evidence = collect_evidence(
        module,
        graph.groups,
        chosen.needs if chosen else "weights",
        name=importance_name(criterion),
        batches=batches,
        loss=loss,
        seed=seed,
    )
    scores = []
    for group in graph.groups:
        if chosen is not None:
            found = chosen.score(group, evidence)
        else:
            assert not isinstance(criterion, str)
            found = own_scores(criterion, evidence.weights, group)
        _check_finite(found, group, importance_name(criterion))
        scores.append(found)
    return tuple(scores)


def find_criterion(name: str) -> Criterion:
    """Return the criterion called ``name``.

    Raises:
        UsageError: unknown name; lists the known ones.
    """
    if name not in IMPORTANCES:
        raise UsageError(
            f"unknown importance '{name}'; known: {', '.join(IMPORTANCES)}, or a function of your "
            "own as package.module:function"
        )
    return IMPORTANCES[name]


def l1_outgoing(group: Group, evidence: Evidence) -> Tensor:
    """Score channels by the L1 norm of the weights they send on.

    Several layers that take the channels are summed, and so are the positions that one channel has
    in a Linear layer behind a flattened convolution.

    Source: Li et al. (2017), "Pruning filters for efficient ConvNets", applied to outgoing weights.
    """
    return _values(group, evidence, "input", "takes").abs().sum(dim=1)


def l1_incoming(group: Group, evidence: Evidence) -> Tensor:
    """Score channels by the L1 norm of the weights that make them, biases left out.

    Source: Li et al. (2017), "Pruning filters for efficient ConvNets", section 3.1.
    """
    return _values(group, evidence, "output", "makes").abs().sum(dim=1)


def group_l1(group: Group, evidence: Evidence) -> Tensor:
    """Score channels by the L1 norm of every weight that goes with them.

    As :func:`group_l2`, with absolute values in place of squares.
    """
    return _all_values(group, evidence).abs().sum(dim=1)


def group_l2(group: Group, evidence: Evidence) -> Tensor:
    """Score channels by the L2 norm of every weight that goes with them.

    Weights of all layers that make, take or scale the channels are summed as they are, no layer
    normalised by itself; biases and running statistics are left out, as Torch-Pruning does.

    Source: Fang et al. (2023), "DepGraph: Towards Any Structural Pruning", section 3.3, the group's
    norm without its sparsity weights; the root of their sum, which ranks alike.
    """
    return _all_values(group, evidence).square().sum(dim=1).sqrt()


def taylor(group: Group, evidence: Evidence) -> Tensor:
    """Score channels by what the loss would change by without them, to first order, squared.

    With gradient g the channel's change is the sum of g·w over the weights w that it sends on: the
    ones that pruning sets to 0, and the same as the derivative by a gate on the channel. It is
    squared in each batch, then averaged over batches by their rows.

    Source: Molchanov et al. (2019), "Importance estimation for neural network pruning", the squared
    joint contribution of a structural set of parameters; the set is the outgoing weights.
    """
    changes, rows = evidence.loss_changes[group], evidence.rows
    return (changes.square() * rows[:, None]).sum(dim=0) / rows.sum()


def activation(group: Group, evidence: Evidence) -> Tensor:
    """Score channels by their mean absolute activation over the data.

    It is taken behind the nonlinearity where that is a module directly behind the layer that makes
    the channels (norms and Dropout may stand between), else at the layer's own output. Several
    layers that make the channels are summed.

    Source: Molchanov et al. (2017), "Pruning convolutional neural networks for resource efficient
    inference", section 2.2, mean activation; absolute, since tanh and sine are not positive.
    """
    return evidence.activations[group]


def geometric_median(group: Group, evidence: Evidence) -> Tensor:
    """Score channels by the sum of their distances to all others: what others can stand in for.

    A channel is the vector of all weights that make it. Its bias is one of them, the weight of a
    constant input: the same neuron with another bias is another neuron.

    Source: He et al. (2019), "Filter pruning via geometric median for deep convolutional neural
    networks acceleration", where filters have no bias.
    """
    values = _values(group, evidence, "output", "makes", biases=True)
    # differences, not the expanded square, so that equal channels are exactly 0 apart
    return torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist").sum(dim=1)


def random(group: Group, evidence: Evidence) -> Tensor:
    """Score channels by chance: what any other criterion must beat.

    A group's scores depend on the seed and its name alone, not on the other groups.
    """
    own_seed = zlib.crc32(f"{evidence.seed} {group.name}".encode())
    generator = torch.Generator().manual_seed(own_seed)
    return torch.rand(group.channels, generator=generator, dtype=torch.float64)


IMPORTANCES: dict[str, Criterion] = {
    row.name: row
    for row in (
        Criterion(
            name="l1-outgoing",
            score=l1_outgoing,
            needs="weights",
            words="absolute weights that a channel sends on",
        ),
        Criterion(
            name="l1-incoming",
            score=l1_incoming,
            needs="weights",
            words="absolute weights that make a channel",
        ),
        Criterion(
            name="group-l1",
            score=group_l1,
            needs="weights",
            words="absolute weights of every layer that a channel goes through",
        ),
        Criterion(
            name="group-l2",
            score=group_l2,
            needs="weights",
            words="length of the weights of every layer that a channel goes through",
        ),
        Criterion(
            name="taylor",
            score=taylor,
            needs="gradients",
            words="change of the loss without the channel, to first order, from data",
        ),
        Criterion(
            name="activation",
            score=activation,
            needs="activations",
            words="mean absolute activation, from data",
        ),
        Criterion(
            name="geometric-median",
            score=geometric_median,
            needs="weights",
            words="distance to the other channels: what they can stand in for goes",
        ),
        Criterion(name="random", score=random, needs="weights", words="chance"),
    )
}


def _values(
    group: Group, evidence: Evidence, role: str, verb: str, *, biases: bool = False
) -> Tensor:
    """Return the weights of one role, shape (channels, values)."""
    found = evidence.values(group, (role,), biases=biases)
    if not found:
        raise PruningError(
            f"no layer {verb} the channels of '{group.name}' by weights, so they cannot be scored "
            "by these; name another --importance"
        )
    return torch.cat(found, dim=1)


def _all_values(group: Group, evidence: Evidence) -> Tensor:
    found = evidence.values(group, ("output", "input", "channel"))
    if not found:
        raise PruningError(
            f"'{group.name}' has no weights, so its channels cannot be scored by them; name "
            "another --importance"
        )
    return torch.cat(found, dim=1)


def _check_finite(scores: Tensor, group: Group, name: str) -> None:
    bad = (~scores.isfinite()).nonzero().flatten().tolist()
    if bad:
        raise PruningError(
            f"the scores of '{group.name}' by {name} are no finite numbers in {len(bad)} of "
            f"{group.channels} channels (the first is channel {bad[0]}): the network's weights or "
            "the data hold NaN or Inf, or overflow; repair them before pruning"
        )
