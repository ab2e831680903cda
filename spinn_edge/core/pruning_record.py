"""What pruning was asked for, what it did, and how to do it again; part of a manifest."""

from __future__ import annotations

from dataclasses import dataclass

QUANTITIES = ("parameters", "flops", "bytes", "latency")
"""What a target may be a share of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where a group's channels lie in one dimension of one tensor.

    Channel ``c`` takes the positions ``offset + c * repeat`` to ``offset + (c + 1) * repeat - 1``.

    Attributes:
        tensor: name in the module's state dict.
        dim: dimension of it, at least 0.
        role: ``output`` (the tensor makes the channels), ``input`` (it takes them, so that zeros
            there silence a channel) or ``channel`` (it scales or shifts each, as a norm does).
        offset: position of the first channel; above 0 behind a concatenation.
        repeat: positions a channel; above 1 where a convolution is flattened into a Linear layer.
    """

    tensor: str
    dim: int
    role: str
    offset: int = 0
    repeat: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """Which channels of one group of coupled layers stay.

    Attributes:
        name: of the layers that make the channels, joined by ``+``.
        channels: before.
        kept: indices that stay, ascending, of the network that was given first.
        cuts: every tensor that the group goes through.
    """

    name: str
    channels: int
    kept: tuple[int, ...]
    cuts: tuple[Cut, ...]

    def removed_positions(self, part: Cut) -> tuple[int, ...]:
        """Return the positions along ``part.dim`` that go."""
        kept = set(self.kept)
        return tuple(
            part.offset + channel * part.repeat + step
            for channel in range(self.channels)
            if channel not in kept
            for step in range(part.repeat)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """A layer that was not pruned, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerAudit:
    """Width of one group of layers before and after pruning."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundAudit:
    """One round of pruning and fine-tuning.

    Attributes:
        widths: after the round: all widths of an MLP, those of the groups of any other network.
        parameters: parameters after the round.
        requested: share of the original quantity to be gone after this round.
        achieved: share that is gone.
        planned: share that the widths were solved for; None in older manifests.
        score: validation loss after fine-tuning, in the loss function's unit; None if not tuned.
        exactness: largest difference between the smaller and the masked network before
            fine-tuning, a share of the output's scale; None in older manifests.
        duration_s: wall time of the round, fine-tuning included.
        physics: what became of residual and slopes, in words; None where none were asked for.
    """

    widths: tuple[int, ...]
    parameters: int
    requested: float
    achieved: float
    planned: float | None = None
    score: float | None = None
    exactness: float | None = None
    duration_s: float | None = None
    physics: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRecord:
    """How fast the network before and the pruned one were, measured in one run.

    Attributes:
        runtime: where.
        batch: samples in one inference.
        machine: processor or GPU, in words.
        before_s: geometric mean of the launches' medians before pruning, seconds.
        after_s: likewise of the pruned network.
        after_low_s: lower end of the interval of ``after_s``; None with too few launches.
        after_high_s: upper end.
        goal_s: what was asked for; None where only the speed-up was.
        reached: the goal is held within the tolerance; None without a goal.
    """

    runtime: str
    batch: int
    machine: str
    before_s: float
    after_s: float
    after_low_s: float | None
    after_high_s: float | None
    goal_s: float | None
    reached: bool | None

    @property
    def speedup(self) -> float:
        """Latency before over latency after."""
        return self.before_s / self.after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class PruningAudit:
    """What was asked for and what was done, counted on the whole model.

    Attributes:
        requested: share of the quantity to remove, in (0, 1).
        achieved: share removed.
        tolerance: allowed distance between the two; None when ``round_to`` made the nearest
            reachable widths the goal.
        round_to: widths are multiples of this.
        importance: name of the criterion.
        parameters_before: parameters of the model that was given.
        parameters_after: parameters of the model that came out.
        layers: groups of layers, in order.
        rounds: rounds, in order.
        by: the quantity, one of ``QUANTITIES``.
        allocation: how the cut was shared out: ``uniform``, ``global`` or ``per-layer``.
        amount_before: the quantity before: a count, bytes, or seconds; None in older manifests.
        amount_after: the quantity after.
        plan: what to cut from a fresh copy of the model that was given; empty in older manifests.
        earlier: plans of earlier prunings, to be replayed first on what a factory builds; empty for
            an MLP, which is built from its widths.
        left_alone: layers that were not pruned, and why.
        latency: measured before and after; None where nobody asked.
    """

    requested: float
    achieved: float
    tolerance: float | None
    round_to: int
    importance: str
    parameters_before: int
    parameters_after: int
    layers: tuple[LayerAudit, ...]
    rounds: tuple[RoundAudit, ...]
    by: str = "parameters"
    allocation: str = "uniform"
    amount_before: float | None = None
    amount_after: float | None = None
    plan: tuple[GroupPlan, ...] = ()
    earlier: tuple[tuple[GroupPlan, ...], ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()
    latency: LatencyRecord | None = None
