"""What was measured of training steps, raw, and the figures that follow from it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from spinn_edge.bench.evidence.intervals import (
    Interval,
    median_interval,
    noise_floor,
    speedup_interval,
    speedup_of,
    verdict_on,
)
from spinn_edge.bench.machine.environment import Environment
from spinn_edge.bench.training.job import StepRule, Subject

SCHEMA_VERSION = 1
EPOCHS = 1000
"""Of the estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How far a way's loss and gradients are from eager autograd in float64, at the first weights.

    Attributes:
        loss_error: of the loss, relative.
        gradient_error: largest of all gradients' entries, over the largest entry of its tensor.
        eager_loss_error: the same of eager autograd in float32.
        eager_gradient_error: the same of eager autograd in float32.
        tolerance: what both errors may be.
    """

    loss_error: float
    gradient_error: float
    eager_loss_error: float
    eager_gradient_error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """NaN does not pass."""
        return self.loss_error <= self.tolerance and self.gradient_error <= self.tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class StepShares:
    """Where the time of one step goes, by torch.profiler, seconds a step.

    Attributes:
        products_s: in matrix products, which are library calls compiled or not.
        products: how many of them.
        optimiser_s: in the optimiser.
        steps: how many steps were profiled.
    """

    products_s: float
    products: float
    optimiser_s: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingLaunch:
    """What one process measured.

    Attributes:
        seed: of weights and points.
        number: of the launch, from 1.
        first_gradient_s: wall time of the first loss with its gradients; compilation is in it.
        samples_s: mean duration of a step in each run of steps that was timed whole, the device
            synchronised before and after.
        sample_steps: steps in each of those runs.
        steps_per_epoch: an epoch is a pass over all points or rows.
        proof: against float64; None where it was not reached.
        shares: None where this launch did not look.
        facts: network, points, optimiser, in words.
    """

    seed: int
    number: int
    first_gradient_s: float
    samples_s: tuple[float, ...]
    sample_steps: tuple[int, ...]
    steps_per_epoch: int
    proof: Proof | None = None
    shares: StepShares | None = None
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Steps that were timed."""
        return sum(self.sample_steps)

    @property
    def wall_s(self) -> float:
        """Time of all of them, slow ones included."""
        pairs = zip(self.samples_s, self.sample_steps, strict=True)
        return sum(mean_s * steps for mean_s, steps in pairs)

    @property
    def step_s(self) -> float:
        """Mean duration of a step: what a training pays, slow steps included."""
        return self.wall_s / self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRow:
    """One way to train one subject.

    Attributes:
        subject: what was trained.
        way: how; see ``spinn_edge.training.pinn_step.WAYS``.
        status: ``ok``, ``unequal`` (another loss or gradient than eager's), ``unavailable`` or
            ``failed``; no figure but with ``ok``.
        reason: why there is no figure.
        launches: what was measured, in order; those before a failure are kept.
    """

    subject: Subject
    way: str
    status: str = "ok"
    reason: str = ""
    launches: tuple[TrainingLaunch, ...] = ()

    @property
    def steps_s(self) -> tuple[float, ...]:
        """A step's mean duration in each launch; empty unless ``ok``."""
        return tuple(launch.step_s for launch in self.launches) if self.status == "ok" else ()

    @property
    def step_s(self) -> float | None:
        """Geometric mean over launches."""
        return statistics.geometric_mean(self.steps_s) if self.steps_s else None

    @property
    def per_s(self) -> float | None:
        """Steps a second: it/s."""
        return None if self.step_s is None else 1 / self.step_s

    @property
    def per_s_interval(self) -> Interval | None:
        """Of :attr:`per_s`, over launches; None with too few."""
        between = median_interval(self.steps_s) if self.steps_s else None
        return None if between is None else Interval(low=1 / between.high, high=1 / between.low)

    @property
    def per_s_by_seed(self) -> dict[int, float]:
        """Mean it/s of each seed's launches."""
        if self.status != "ok":
            return {}
        seeds = dict.fromkeys(launch.seed for launch in self.launches)
        return {
            seed: statistics.fmean(1 / one.step_s for one in self.launches if one.seed == seed)
            for seed in seeds
        }

    @property
    def mean_over_seeds(self) -> float | None:
        """Mean of :attr:`per_s_by_seed`."""
        found = self.per_s_by_seed
        return statistics.fmean(found.values()) if found else None

    @property
    def std_over_seeds(self) -> float | None:
        """Standard deviation (n - 1) of :attr:`per_s_by_seed`; None with one seed."""
        found = self.per_s_by_seed
        return statistics.stdev(found.values()) if len(found) > 1 else None

    @property
    def first_gradient_s(self) -> float | None:
        """Of the first launch, which found nothing compiled: compile time, where it compiles."""
        return self.launches[0].first_gradient_s if self.steps_s else None

    @property
    def again_s(self) -> float | None:
        """Median of the first gradient in later launches, which find compiled code in a cache."""
        later = [launch.first_gradient_s for launch in self.launches[1:]]
        return statistics.median(later) if self.steps_s and later else None

    @property
    def estimate_s(self) -> float | None:
        """Time of ``EPOCHS`` epochs, the first gradient (compilation) not included."""
        if self.step_s is None:
            return None
        return EPOCHS * self.launches[0].steps_per_epoch * self.step_s

    @property
    def shares(self) -> StepShares | None:
        """Of the launch that looked."""
        return next((one.shares for one in self.launches if one.shares is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speedup:
    """One row against another of the same subject.

    Attributes:
        ratio: above 1 is faster; geometric mean over pairs of launches.
        interval: of it; None with too few pairs.
        verdict: ``faster``, ``slower`` or ``no difference seen``; None where nothing can be said.
        pays_after: steps after which the compilation's time is won back; None if never.
    """

    ratio: float
    interval: Interval | None
    verdict: str | None
    pays_after: float | None


def speedup(row: TrainingRow, baseline: TrainingRow) -> Speedup | None:
    """Compare two rows launch by launch; None where one of them has no figures."""
    ratio = speedup_of(baseline.steps_s, row.steps_s)
    if ratio is None:
        return None
    between = speedup_interval(baseline.steps_s, row.steps_s)
    assert row.step_s is not None
    assert row.first_gradient_s is not None
    assert baseline.step_s is not None
    saved_s = baseline.step_s - row.step_s
    return Speedup(
        ratio=ratio,
        interval=between,
        verdict=verdict_on(between, noise_floor(baseline.steps_s, row.steps_s)),
        pays_after=row.first_gradient_s / saved_s if saved_s > 0 else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """Everything that one contest measured.

    Attributes:
        schema_version: of the document.
        created_utc: when, ISO 8601.
        environment: the machine, read before the first launch.
        device: ``cpu`` or ``cuda``.
        threads: of the CPU, in every process.
        seeds: how many.
        launches: processes for each seed.
        rule: how long each launch timed steps.
        rows: subject by subject, way by way.
    """

    schema_version: int
    created_utc: str
    environment: Environment
    device: str
    threads: int
    seeds: int
    launches: int
    rule: StepRule
    rows: tuple[TrainingRow, ...]

    def row(self, subject: str, way: str) -> TrainingRow | None:
        """Return one row; None where it was not asked for."""
        return next((r for r in self.rows if (r.subject.name, r.way) == (subject, way)), None)
