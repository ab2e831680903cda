"""What a latency is asked to be, and whether one that was measured is it."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_edge.core.errors import UsageError

Widths = tuple[int, ...]
"""One width for each group of neurons that can be pruned; of an MLP, its hidden widths."""

TOLERANCE = 0.10
"""Share by which a measured latency may lie above its goal: launches differ by some per cent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredLatency:
    """The time of one inference, measured over several launches.

    Attributes:
        widths: of the network that was timed.
        latency_s: mean of the launches' medians, seconds.
        low_s: lower end of the interval of that mean; None with too few launches to tell.
        high_s: upper end.
    """

    widths: Widths
    latency_s: float
    low_s: float | None = None
    high_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyGoal:
    """A latency to reach; one of the two is given.

    Attributes:
        absolute_s: at most this, seconds.
        share: or this share of the dense network's latency less, in (0, 1). The dense network is
            measured beside the others, so a drift of the machine does not move the goal.

    Raises:
        UsageError: none or both are given, or a number makes no sense.
    """

    absolute_s: float | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        if (self.absolute_s is None) == (self.share is None):
            raise UsageError("name one latency: --latency-us 40, or --target 0.4 --by latency")
        if self.absolute_s is not None and not self.absolute_s > 0:
            raise UsageError(f"--latency-us must be above 0, got {microseconds(self.absolute_s)}")
        if self.share is not None and not 0 < self.share < 1:
            raise UsageError(
                "with --by latency the target is the share of the latency to remove, above 0 and "
                f"below 1; got {self.share:g}"
            )

    def seconds(self, dense_s: float) -> float:
        """Return the goal, given what the dense network took beside."""
        if self.absolute_s is not None:
            return self.absolute_s
        assert self.share is not None
        return (1 - self.share) * dense_s


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyVerdict:
    """Whether a latency that was measured is what was asked for.

    Attributes:
        latency: what was measured.
        goal_s: what was asked for, seconds.
        tolerance: share above the goal that is allowed.
    """

    latency: MeasuredLatency
    goal_s: float
    tolerance: float

    @property
    def difference(self) -> float:
        """Share of the goal by which the latency lies above it; negative below."""
        return self.latency.latency_s / self.goal_s - 1

    @property
    def reached(self) -> bool:
        """The latency is at most the goal and its tolerance."""
        return self.difference <= self.tolerance

    @property
    def certain(self) -> bool:
        """The whole interval lies on one side of the limit; True where there is no interval."""
        limit_s = self.goal_s * (1 + self.tolerance)
        if self.reached:
            return self.latency.high_s is None or self.latency.high_s <= limit_s
        return self.latency.low_s is None or self.latency.low_s > limit_s

    @property
    def spare(self) -> bool:
        """It is faster than asked, beyond the noise: a larger network might do."""
        high_s = self.latency.latency_s if self.latency.high_s is None else self.latency.high_s
        return high_s < self.goal_s * (1 - self.tolerance)

    @property
    def words(self) -> str:
        """One line that says it."""
        side = "above" if self.difference > 0 else "below"
        text = (
            f"{'reached' if self.reached else 'missed'}: {microseconds(self.latency.latency_s)} "
            f"measured{_interval(self.latency)}, {abs(self.difference):.1%} {side} the goal of "
            f"{microseconds(self.goal_s)}"
        )
        if not self.certain:
            text += "; the interval reaches over the limit, so more --launches may say otherwise"
        if self.spare:
            text += "; faster than asked, a larger network might do"
        return text


def judge_latency(
    measured: MeasuredLatency, goal_s: float, tolerance: float = TOLERANCE
) -> LatencyVerdict:
    """Hold a measured latency against its goal, the interval over launches respected."""
    return LatencyVerdict(latency=measured, goal_s=goal_s, tolerance=tolerance)


def microseconds(seconds: float) -> str:
    """Return ``41.3 µs``."""
    return f"{seconds * 1e6:.1f} µs"


def _interval(latency: MeasuredLatency) -> str:
    if latency.low_s is None or latency.high_s is None:
        return ""
    return f" ({latency.low_s * 1e6:.1f} to {latency.high_s * 1e6:.1f})"
