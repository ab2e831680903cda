"""One row of a benchmark: frozen, with raw samples, statistics derived."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spinn_edge.accuracy.parity import Parity
from spinn_edge.bench.boundaries import ENQUEUE, HOST_TO_HOST
from spinn_edge.bench.evidence.intervals import (
    Interval,
    launch_medians,
    median_interval,
    noise_floor,
    speedup_interval,
    speedup_of,
    verdict_on,
)
from spinn_edge.bench.evidence.modes import Mode, modes_of
from spinn_edge.bench.evidence.stats import quantile
from spinn_edge.bench.loops.energy_timing import SpentEnergy
from spinn_edge.bench.loops.pacing import Pacing
from spinn_edge.bench.machine.footprint import Footprint
from spinn_edge.core.decode import encode
from spinn_edge.core.manifest import PRECISIONS
from spinn_edge.runtimes.base import RuntimeFacts

Question = tuple[str, str, int, str, float | None]


@dataclass(frozen=True, kw_only=True)  # no slots: a figure is derived once, and kept
class Row:
    """One bundle on one runtime in one precision at one batch size, between one pair of points.

    Inferences follow each other, or, in deadline mode, come at the ticks of a fixed rate. Tables,
    charts and remarks all ask for the same figures: each is derived when it is first asked for.

    Attributes:
        bundle: name of the bundle.
        runtime: name of the runtime that was asked for.
        batch: samples in one inference.
        status: ``ok``, ``unavailable`` (cannot work on this machine) or ``failed``.
        reason: why it is not ``ok``; None when it is.
        exit_code: of the error of ours that ``reason`` tells; None where it was none of ours.
        threads: CPU threads inside one operator.
        boundary: what a sample spans, one of ``boundaries.BOUNDARIES``.
        precision: which of the bundle's files was asked for.
        rate_per_s: inferences a second that were due; None where they follow each other.
        facts: what really loaded; None where nothing did.
        samples_s: times of single inferences, seconds, in run order; empty unless ``ok``.
        upload_samples_s: device time of each inference's copies to the device, seconds; only where
            the boundary is ``device``.
        download_samples_s: likewise, of its copies back.
        throughput_samples_s: seconds an inference in loops of a millisecond or more, where
            inferences follow each other; empty where one alone takes that long, and at boundaries
            that say nothing of it.
        energies: what windows of a second took, where energy was asked for and could be read.
        launches: kernels that one inference starts; None where that is unknown, and where the
            boundary is not ``device``.
        pacing: what the fixed-rate loop saw; None without a rate.
        ends_sweep: memory ran out here, where a sweep of batch sizes therefore ends.
        launch_samples: how many of them each process took, in order; one entry a launch.
        warmup_runs: inferences before the first sample of each launch, added up.
        steady: of each launch, whether its warm-up ended because the runtime was steady.
        stopped_by: of each launch, why it took no more samples; see ``loops.timing``.
        parity: comparison with the golden outputs that was made first; None if it did not come
            to that.
        footprints: of each launch, what its process took to start, and its memory when the row
            was done: earlier batch sizes of that process count in.
        file_bytes: size of the file that really loaded; None where the bundle holds no such file.
        baseline_median_s: median of the baseline bundle's comparable row (see
            :attr:`conditions`); None without one.
        baseline_medians_s: medians of that row's launches, which ran in turn with this row's.
    """

    bundle: str
    runtime: str
    batch: int
    status: str
    reason: str | None
    threads: int
    exit_code: int | None = None
    boundary: str = HOST_TO_HOST
    precision: str = PRECISIONS[0]
    rate_per_s: float | None = None
    facts: RuntimeFacts | None = None
    samples_s: tuple[float, ...] = ()
    upload_samples_s: tuple[float, ...] = ()
    download_samples_s: tuple[float, ...] = ()
    throughput_samples_s: tuple[float, ...] = ()
    energies: tuple[SpentEnergy, ...] = ()
    launches: int | None = None
    pacing: Pacing | None = None
    ends_sweep: bool = False
    launch_samples: tuple[int, ...] = ()
    warmup_runs: int = 0
    steady: tuple[bool, ...] = ()
    stopped_by: tuple[str, ...] = ()
    parity: Parity | None = None
    footprints: tuple[Footprint, ...] = ()
    file_bytes: int | None = None
    baseline_median_s: float | None = None
    baseline_medians_s: tuple[float, ...] = ()

    @property
    def question(self) -> Question:
        """What was asked, the bundle left out: runtime, precision, batch, boundary and rate."""
        return self.runtime, self.precision, self.batch, self.boundary, self.rate_per_s

    @property
    def conditions(self) -> tuple[Question, str, bool | None]:
        """What two rows must share to be compared: the question and how it was answered.

        To the question come the runtime that really ran and whether it might round to TF32.
        """
        tf32 = self.facts.tf32 if self.facts else None
        return self.question, self.served_by, tf32

    @property
    def served_by(self) -> str:
        """Name of the runtime that really ran: a stand-in's, else the one that was asked for."""
        return (self.facts.served_by if self.facts else "") or self.runtime

    @property
    def served_how(self) -> str:
        """The part of :attr:`conditions` that nobody asked for, in words: ``ort-cpu, TF32 off``."""
        tf32 = self.facts.tf32 if self.facts else None
        return self.served_by + {True: ", TF32 on", False: ", TF32 off", None: ""}[tf32]

    @cached_property
    def median_s(self) -> float | None:
        """Median latency; the figure that comparisons use."""
        return _median(self.samples_s)

    @cached_property
    def upload_median_s(self) -> float | None:
        """Median of the copies to the device; None where they were not timed apart."""
        return _median(self.upload_samples_s)

    @cached_property
    def download_median_s(self) -> float | None:
        """Median of the copies back; None where they were not timed apart."""
        return _median(self.download_samples_s)

    @cached_property
    def mean_s(self) -> float | None:
        """Mean latency, every sample counted."""
        return statistics.fmean(self.samples_s) if self.samples_s else None

    @cached_property
    def std_s(self) -> float | None:
        """Standard deviation of latency (n - 1 in the denominator)."""
        return statistics.stdev(self.samples_s) if len(self.samples_s) > 1 else None

    @cached_property
    def p90_s(self) -> float | None:
        """90th percentile; None with fewer than 100 samples."""
        return quantile(self.samples_s, 0.90)

    @cached_property
    def p95_s(self) -> float | None:
        """95th percentile; None with fewer than 200 samples."""
        return quantile(self.samples_s, 0.95)

    @cached_property
    def p99_s(self) -> float | None:
        """99th percentile; None with fewer than 1000 samples."""
        return quantile(self.samples_s, 0.99)

    @cached_property
    def p999_s(self) -> float | None:
        """99.9th percentile; None with fewer than 10,000 samples."""
        return quantile(self.samples_s, 0.999)

    @cached_property
    def throughput_per_s(self) -> float | None:
        """Samples (not inferences) a second, inferences following each other.

        All work over all time, slow inferences included; None for an enqueue, which ends nothing,
        and at a fixed rate, which is no more than was asked for.
        """
        times_s = self.throughput_samples_s or self.samples_s
        if not times_s or self.boundary == ENQUEUE or self.rate_per_s is not None:
            return None
        return self.batch / statistics.fmean(times_s)

    @cached_property
    def modes(self) -> tuple[Mode, ...]:
        """Speeds that stand apart, fastest first; one where the distribution has one peak."""
        return modes_of(self.samples_s)

    @property
    def joules_per_inference(self) -> float | None:
        """Energy of the machine over its windows; None where it was not measured alike in all."""
        if len({spent.energy.sources for spent in self.energies}) != 1:
            return None
        joules = sum(spent.energy.joules for spent in self.energies)
        return joules / sum(spent.inferences for spent in self.energies)

    @cached_property
    def launch_medians_s(self) -> tuple[float, ...]:
        """Median of each launch: what intervals are made of."""
        return launch_medians(self.samples_s, self.launch_samples)

    @cached_property
    def median_interval_s(self) -> Interval | None:
        """Where the median of a further set of launches would lie; None with too few."""
        return median_interval(self.launch_medians_s)

    @cached_property
    def speedup(self) -> float | None:
        """How many times faster than the baseline: above 1 is faster; None without both.

        The geometric mean over pairs of launches that ran beside each other; of two medians where
        the launches are not known.
        """
        if self.median_s is None or self.baseline_median_s is None:
            return None
        paired = speedup_of(self.baseline_medians_s, self.launch_medians_s)
        return self.baseline_median_s / self.median_s if paired is None else paired

    @cached_property
    def speedup_interval(self) -> Interval | None:
        """Where the speed-up lies; None with too few launches."""
        return speedup_interval(self.baseline_medians_s, self.launch_medians_s)

    @cached_property
    def noise_floor(self) -> float | None:
        """Share by which this row and its baseline differ from themselves (A/A); None if unknown.

        Without a baseline, of this row alone.
        """
        groups = (self.launch_medians_s, self.baseline_medians_s)
        return noise_floor(*(group for group in groups if group)) if groups[0] else None

    @cached_property
    def verdict(self) -> str | None:
        """``faster``, ``slower`` or ``no difference seen``; None without intervals."""
        return verdict_on(self.speedup_interval, self.noise_floor)

    @cached_property
    def idle_gap_penalty(self) -> float | None:
        """How many times longer an inference takes after a pause than back to back."""
        return self.pacing.idle_gap_penalty(self.launch_medians_s) if self.pacing else None

    @cached_property
    def idle_gap_interval(self) -> Interval | None:
        """Where the penalty lies; None with too few launches."""
        return self.pacing.idle_gap_interval(self.launch_medians_s) if self.pacing else None

    @cached_property
    def idle_gap_verdict(self) -> str | None:
        """What back to back is against the loop: ``faster`` where the pause costs."""
        return self.pacing.idle_gap_verdict(self.launch_medians_s) if self.pacing else None

    def to_json(self) -> dict[str, Any]:
        """Return raw samples and derived statistics under their published keys."""
        return {
            "bundle": self.bundle,
            "runtime": self.runtime,
            "precision": self.precision,
            "batch": self.batch,
            "boundary": self.boundary,
            "rate_per_s": self.rate_per_s,
            "status": self.status,
            "reason": self.reason,
            "exit_code": self.exit_code,
            "threads": self.threads,
            "facts": encode(self.facts),
            "served_by": self.served_by,
            "samples_s": list(self.samples_s),
            "launch_samples": list(self.launch_samples),
            "warmup_runs": self.warmup_runs,
            "steady": list(self.steady),
            "stopped_by": list(self.stopped_by),
            "launch_medians_s": list(self.launch_medians_s),
            "median_s": self.median_s,
            "median_interval_s": encode(self.median_interval_s),
            "mean_s": self.mean_s,
            "std_s": self.std_s,
            "p90_s": self.p90_s,
            "p95_s": self.p95_s,
            "p99_s": self.p99_s,
            "p999_s": self.p999_s,
            "modes": encode(self.modes),
            "upload_samples_s": list(self.upload_samples_s),
            "upload_median_s": self.upload_median_s,
            "download_samples_s": list(self.download_samples_s),
            "download_median_s": self.download_median_s,
            "throughput_samples_s": list(self.throughput_samples_s),
            "energies": encode(self.energies),
            "joules_per_inference": self.joules_per_inference,
            "launches": self.launches,
            "pacing": encode(self.pacing),
            "idle_gap_penalty": self.idle_gap_penalty,
            "idle_gap_interval": encode(self.idle_gap_interval),
            "idle_gap_verdict": self.idle_gap_verdict,
            "ends_sweep": self.ends_sweep,
            "throughput_per_s": self.throughput_per_s,
            "baseline_median_s": self.baseline_median_s,
            "baseline_medians_s": list(self.baseline_medians_s),
            "speedup": self.speedup,
            "speedup_interval": encode(self.speedup_interval),
            "noise_floor": self.noise_floor,
            "verdict": self.verdict,
            "parity": encode(self.parity),
            "footprints": encode(self.footprints),
            "file_bytes": self.file_bytes,
        }


def _median(samples: Sequence[float]) -> float | None:
    return statistics.median(samples) if samples else None
