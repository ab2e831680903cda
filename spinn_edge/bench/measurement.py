"""The results of a benchmark: frozen, with raw samples, statistics derived."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spinn_edge.accuracy.parity import Parity
from spinn_edge.bench.environment import Environment
from spinn_edge.bench.stats import quantile
from spinn_edge.core.bundle import Bundle, parameter_bytes
from spinn_edge.core.decode import encode
from spinn_edge.core.manifest import Scores

RESULTS_SCHEMA_VERSION = 1
BOUNDARY = "host-to-host"
"""What one sample spans: from numpy inputs in host memory to numpy outputs in host memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One bundle on one runtime at one batch size.

    Attributes:
        bundle: name of the bundle.
        runtime: name of the runtime.
        batch: samples in one inference.
        status: ``ok``, ``unavailable`` (cannot work on this machine) or ``failed``.
        reason: why it is not ``ok``; None when it is.
        threads: CPU threads inside one operator.
        samples_s: wall time of single inferences, seconds, in run order; empty unless ``ok``.
        launch_samples: how many of them each process took, in order; one entry a launch.
        warmup_runs: inferences before the first sample of each launch, added up.
        parity: comparison with the golden outputs that was made first; None if it did not come
            to that.
        file_bytes: size of the file that the runtime loaded; None where there is none.
        baseline_median_s: median of the baseline bundle on the same runtime and batch; None
            without one.
    """

    bundle: str
    runtime: str
    batch: int
    status: str
    reason: str | None
    threads: int
    samples_s: tuple[float, ...] = ()
    launch_samples: tuple[int, ...] = ()
    warmup_runs: int = 0
    parity: Parity | None = None
    file_bytes: int | None = None
    baseline_median_s: float | None = None

    @property
    def median_s(self) -> float | None:
        """Median latency; the figure that comparisons use."""
        return statistics.median(self.samples_s) if self.samples_s else None

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
    def p99_s(self) -> float | None:
        """99th percentile; None with fewer than 1000 samples."""
        return quantile(self.samples_s, 0.99)

    @property
    def throughput_per_s(self) -> float | None:
        """Samples (not inferences) a second at the median latency."""
        return None if self.median_s is None else self.batch / self.median_s

    @property
    def speedup(self) -> float | None:
        """Baseline median over this median: above 1 is faster; None without both."""
        if self.median_s is None or self.baseline_median_s is None:
            return None
        return self.baseline_median_s / self.median_s

    def to_json(self) -> dict[str, Any]:
        """Return raw samples and derived statistics under their published keys."""
        return {
            "bundle": self.bundle,
            "runtime": self.runtime,
            "batch": self.batch,
            "status": self.status,
            "reason": self.reason,
            "threads": self.threads,
            "boundary": BOUNDARY,
            "samples_s": list(self.samples_s),
            "launch_samples": list(self.launch_samples),
            "warmup_runs": self.warmup_runs,
            "median_s": self.median_s,
            "mean_s": self.mean_s,
            "std_s": self.std_s,
            "p90_s": self.p90_s,
            "p99_s": self.p99_s,
            "throughput_per_s": self.throughput_per_s,
            "speedup": self.speedup,
            "parity": None if self.parity is None else encode(self.parity),
            "file_bytes": self.file_bytes,
        }


def pool(launches: Sequence[Row]) -> Row:
    """Join the rows of several launches of one bundle, runtime and batch.

    Samples stand launch after launch, none left out. One launch that was not timed decides for
    all: its row is returned.

    Args:
        launches: at least one row.
    """
    for row in launches:
        if row.status != "ok":
            return row
    return replace(
        launches[0],
        samples_s=tuple(sample for row in launches for sample in row.samples_s),
        launch_samples=tuple(len(row.samples_s) for row in launches),
        warmup_runs=sum(row.warmup_runs for row in launches),
        parity=max(
            (row.parity for row in launches if row.parity is not None),
            key=lambda parity: parity.used_share,
            default=None,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFacts:
    """What a table says of a bundle beside its latencies.

    Attributes:
        name: as in the rows.
        baseline: the others are compared with it.
        widths: of an MLP; empty for other models.
        parameters: None where unknown.
        parameter_bytes: 4 bytes a parameter; None where unknown.
        flops_per_sample: None where unknown.
        file_bytes: size by format; engines of several GPUs by file name.
        scores: quality on held-out rows; None where it was not measured.
    """

    name: str
    baseline: bool
    widths: tuple[int, ...]
    parameters: int | None
    parameter_bytes: int | None
    flops_per_sample: int | None
    file_bytes: Mapping[str, int]
    scores: Scores | None

    @classmethod
    def of(cls, bundle: Bundle, name: str, *, baseline: bool) -> BundleFacts:
        """Read them off a bundle."""
        manifest = bundle.manifest
        return cls(
            name=name,
            baseline=baseline,
            widths=manifest.architecture.widths,
            parameters=manifest.parameters,
            parameter_bytes=parameter_bytes(manifest),
            flops_per_sample=manifest.flops_per_sample,
            file_bytes={e.path: e.bytes for e in manifest.files if e.format != "golden"},
            scores=manifest.training.scores if manifest.training else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """A whole run.

    Attributes:
        created_utc: ISO 8601 time of its start.
        environment: the machine.
        bundles: what was timed.
        rows: one for each bundle, runtime and batch asked for, whatever became of it.
    """

    created_utc: str
    environment: Environment
    bundles: tuple[BundleFacts, ...]
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the published document."""
        return {
            "schema_version": RESULTS_SCHEMA_VERSION,
            "created_utc": self.created_utc,
            "environment": encode(self.environment),
            "bundles": encode(self.bundles),
            "rows": encode(self.rows),
        }
