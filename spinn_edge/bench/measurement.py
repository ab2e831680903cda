"""One row of a benchmark: frozen, with raw samples, statistics derived."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from spinn_edge.accuracy.parity import Parity
from spinn_edge.bench.footprint import Footprint
from spinn_edge.bench.intervals import (
    Interval,
    launch_medians,
    median_interval,
    noise_floor,
    speedup_interval,
    speedup_of,
    verdict_on,
)
from spinn_edge.bench.stats import quantile
from spinn_edge.core.decode import encode
from spinn_edge.core.manifest import PRECISIONS
from spinn_edge.runtimes.base import RuntimeFacts

HOST_TO_HOST, BOUND, DEVICE, ENQUEUE = "host-to-host", "bound", "device", "enqueue"
BOUNDARIES = (HOST_TO_HOST, BOUND, DEVICE, ENQUEUE)
"""What one sample spans. Figures of different boundaries are never compared.

``host-to-host``: from numpy inputs in host memory to numpy outputs in host memory: the check of the
feeds, the copy in, the run, the wait for its end and the copy out. Wall time. What an application
pays.

``bound``: the run and the wait for its end, on inputs that were bound before; no copies. Wall time.
What an application pays that writes its inputs where the runtime reads them.

``device``: between two events around the enqueue on the device's stream, the copies left out. Time
of the device; the copies stand beside it in ``upload_samples_s`` and ``download_samples_s``. Two
inferences that are not timed go before each sample, so that the device does not wait for the host
unless the host is the slower of the two.

``enqueue``: the host's time in the call that starts an inference. Its end is waited for after the
sample, so that each call finds an idle device.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One bundle on one runtime in one precision at one batch size, between one pair of points.

    Attributes:
        bundle: name of the bundle.
        runtime: name of the runtime that was asked for.
        batch: samples in one inference.
        status: ``ok``, ``unavailable`` (cannot work on this machine) or ``failed``.
        reason: why it is not ``ok``; None when it is.
        exit_code: of the error of ours that ``reason`` tells; None where it was none of ours.
        threads: CPU threads inside one operator.
        boundary: what a sample spans, one of ``BOUNDARIES``.
        precision: which of the bundle's files was asked for.
        facts: what really loaded; None where nothing did.
        samples_s: times of single inferences, seconds, in run order; empty unless ``ok``.
        upload_samples_s: device time of each inference's copies to the device, seconds; only where
            the boundary is ``device``.
        download_samples_s: likewise, of its copies back.
        throughput_samples_s: seconds an inference in loops of a millisecond or more, where
            inferences follow each other; empty where one alone takes that long, and at boundaries
            that say nothing of it.
        launches: kernels that one inference starts; None where that is unknown, and where the
            boundary is not ``device``.
        launch_samples: how many of them each process took, in order; one entry a launch.
        warmup_runs: inferences before the first sample of each launch, added up.
        steady: of each launch, whether its warm-up ended because the runtime was steady.
        stopped_by: of each launch, why it took no more samples; see ``bench.timing``.
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
    facts: RuntimeFacts | None = None
    samples_s: tuple[float, ...] = ()
    upload_samples_s: tuple[float, ...] = ()
    download_samples_s: tuple[float, ...] = ()
    throughput_samples_s: tuple[float, ...] = ()
    launches: int | None = None
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
    def question(self) -> tuple[str, str, int, str]:
        """What was asked, the bundle left out: runtime, precision, batch and boundary."""
        return self.runtime, self.precision, self.batch, self.boundary

    @property
    def conditions(self) -> tuple[str, str, int, str, str, bool | None]:
        """What two rows must share to be compared: the question and how it was answered.

        To the question come the runtime that really ran and whether it might round to TF32.
        """
        tf32 = self.facts.tf32 if self.facts else None
        return *self.question, self.served_by, tf32

    @property
    def served_by(self) -> str:
        """Name of the runtime that really ran: a stand-in's, else the one that was asked for."""
        return (self.facts.served_by if self.facts else "") or self.runtime

    @property
    def served_how(self) -> str:
        """The part of :attr:`conditions` that nobody asked for, in words: ``ort-cpu, TF32 off``."""
        tf32 = self.facts.tf32 if self.facts else None
        return self.served_by + {True: ", TF32 on", False: ", TF32 off", None: ""}[tf32]

    @property
    def median_s(self) -> float | None:
        """Median latency; the figure that comparisons use."""
        return _median(self.samples_s)

    @property
    def upload_median_s(self) -> float | None:
        """Median of the copies to the device; None where they were not timed apart."""
        return _median(self.upload_samples_s)

    @property
    def download_median_s(self) -> float | None:
        """Median of the copies back; None where they were not timed apart."""
        return _median(self.download_samples_s)

    @property
    def mean_s(self) -> float | None:
        """Mean latency, every sample counted."""
        return statistics.fmean(self.samples_s) if self.samples_s else None

    @property
    def std_s(self) -> float | None:
        """Standard deviation of latency (n - 1 in the denominator)."""
        return statistics.stdev(self.samples_s) if len(self.samples_s) > 1 else None

    @property
    def p90_s(self) -> float | None:
        """90th percentile; None with fewer than 100 samples."""
        return quantile(self.samples_s, 0.90)

    @property
    def p95_s(self) -> float | None:
        """95th percentile; None with fewer than 200 samples."""
        return quantile(self.samples_s, 0.95)

    @property
    def p99_s(self) -> float | None:
        """99th percentile; None with fewer than 1000 samples."""
        return quantile(self.samples_s, 0.99)

    @property
    def p999_s(self) -> float | None:
        """99.9th percentile; None with fewer than 10,000 samples."""
        return quantile(self.samples_s, 0.999)

    @property
    def throughput_per_s(self) -> float | None:
        """Samples (not inferences) a second, inferences following each other.

        All work over all time, slow inferences included; None for an enqueue, which ends nothing.
        """
        times_s = self.throughput_samples_s or self.samples_s
        if not times_s or self.boundary == ENQUEUE:
            return None
        return self.batch / statistics.fmean(times_s)

    @property
    def launch_medians_s(self) -> tuple[float, ...]:
        """Median of each launch: what intervals are made of."""
        return launch_medians(self.samples_s, self.launch_samples)

    @property
    def median_interval_s(self) -> Interval | None:
        """Where the median of a further set of launches would lie; None with too few."""
        return median_interval(self.launch_medians_s)

    @property
    def speedup(self) -> float | None:
        """How many times faster than the baseline: above 1 is faster; None without both.

        The geometric mean over pairs of launches that ran beside each other; of two medians where
        the launches are not known.
        """
        if self.median_s is None or self.baseline_median_s is None:
            return None
        paired = speedup_of(self.baseline_medians_s, self.launch_medians_s)
        return self.baseline_median_s / self.median_s if paired is None else paired

    @property
    def speedup_interval(self) -> Interval | None:
        """Where the speed-up lies; None with too few launches."""
        return speedup_interval(self.baseline_medians_s, self.launch_medians_s)

    @property
    def noise_floor(self) -> float | None:
        """Share by which this row and its baseline differ from themselves (A/A); None if unknown.

        Without a baseline, of this row alone.
        """
        groups = (self.launch_medians_s, self.baseline_medians_s)
        return noise_floor(*(group for group in groups if group)) if groups[0] else None

    @property
    def verdict(self) -> str | None:
        """``faster``, ``slower`` or ``no difference seen``; None without intervals."""
        return verdict_on(self.speedup_interval, self.noise_floor)

    def to_json(self) -> dict[str, Any]:
        """Return raw samples and derived statistics under their published keys."""
        return {
            "bundle": self.bundle,
            "runtime": self.runtime,
            "precision": self.precision,
            "batch": self.batch,
            "boundary": self.boundary,
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
            "upload_samples_s": list(self.upload_samples_s),
            "upload_median_s": self.upload_median_s,
            "download_samples_s": list(self.download_samples_s),
            "download_median_s": self.download_median_s,
            "throughput_samples_s": list(self.throughput_samples_s),
            "launches": self.launches,
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


_SAMPLES = ("samples_s", "upload_samples_s", "download_samples_s", "throughput_samples_s")
_NOTHING_TIMED: dict[str, Any] = {
    **dict.fromkeys(_SAMPLES, ()),
    "launch_samples": (),
}


def pool(launches: Sequence[Row]) -> Row:
    """Join the rows of several launches of one bundle that answer one question.

    Samples stand launch after launch, none left out. One launch that was not timed decides for
    all: its row is returned. Launches that were not served alike are no one measurement: a failed
    row says so.

    Args:
        launches: at least one row.
    """
    for row in launches:
        if row.status != "ok":
            return row
    if len({row.conditions for row in launches}) > 1:
        served = ", ".join(row.served_by for row in launches)
        reason = f"its launches cannot be joined: they were not served alike ({served})"
        return replace(launches[0], status="failed", reason=reason, **_NOTHING_TIMED)
    samples: dict[str, Any] = {
        name: tuple(sample for row in launches for sample in getattr(row, name))
        for name in _SAMPLES
    }
    return replace(
        launches[0],
        **samples,
        launch_samples=tuple(len(row.samples_s) for row in launches),
        warmup_runs=sum(row.warmup_runs for row in launches),
        footprints=tuple(found for row in launches for found in row.footprints),
        steady=tuple(steady for row in launches for steady in row.steady),
        stopped_by=tuple(why for row in launches for why in row.stopped_by),
        parity=max(
            (row.parity for row in launches if row.parity is not None),
            key=lambda parity: parity.used_share,
            default=None,
        ),
    )


def _median(samples: Sequence[float]) -> float | None:
    return statistics.median(samples) if samples else None
