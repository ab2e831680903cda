"""All bundles on all runtimes at all batch sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from spinn_edge.bench.environment import describe_environment
from spinn_edge.bench.launch import run_in_process
from spinn_edge.bench.measurement import BenchResult, BundleFacts, Row, pool
from spinn_edge.bench.timing import TimingRule
from spinn_edge.bench.worker import Job
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.runtimes import registry


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """What to time and how.

    Attributes:
        runtimes: names from the registry.
        batches: samples in one inference.
        launches: fresh processes for each bundle and runtime. A process can sit in a fast or a
            slow placement of memory and stay there, so one launch is one sample of that.
        threads: CPU threads inside one operator.
        timeout_s: time for one launch, start and compilation included.
        trust_factory: see :class:`spinn_edge.runtimes.base.OpenOptions`.
        rule: when to stop.
    """

    runtimes: tuple[str, ...]
    batches: tuple[int, ...] = (1, 1000)
    launches: int = 1
    threads: int = 1
    timeout_s: float = 300.0
    trust_factory: bool = False
    rule: TimingRule = field(default_factory=TimingRule)

    def __post_init__(self) -> None:
        for name in self.runtimes:
            registry.find(name)
        if not self.runtimes or not self.batches or min(self.batches) < 1:
            raise UsageError(
                f"name at least one runtime and batch sizes of 1 or more, got runtimes "
                f"{list(self.runtimes)} and batches {list(self.batches)}"
            )
        for option, value in (("--threads", self.threads), ("--launches", self.launches)):
            if value < 1:
                raise UsageError(f"{option} must be at least 1, got {value}")


def run_bench(
    bundle: Bundle,
    request: BenchRequest,
    *,
    baseline: Bundle | None = None,
    on_job: Callable[[str, str], None] = lambda bundle, runtime: None,
) -> BenchResult:
    """Time a bundle, and beside it a baseline, runtime by runtime.

    Launches alternate, baseline, bundle, baseline, bundle, so that a drift of the machine's speed
    hits both. A batch size that was not timed in one launch is not tried again.

    Args:
        bundle: what is timed.
        request: runtimes, batches, rules.
        baseline: what it is compared with.
        on_job: called with bundle and runtime before each process starts.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    environment = describe_environment()
    named = _named(bundle, baseline)
    rows: list[Row] = []
    for runtime in request.runtimes:
        rows += _time_runtime(runtime, named, request, on_job)
    baseline_label = next(iter(named)) if baseline is not None else None
    facts = [
        BundleFacts.of(item, label, baseline=label == baseline_label)
        for label, item in named.items()
    ]
    return BenchResult(
        created_utc=created,
        environment=environment,
        bundles=tuple(facts),
        rows=_with_baseline(rows, baseline_label),
    )


def _time_runtime(
    runtime: str,
    named: Mapping[str, Bundle],
    request: BenchRequest,
    on_job: Callable[[str, str], None],
) -> list[Row]:
    launched: dict[tuple[str, int], list[Row]] = {
        (label, batch): [] for label in named for batch in request.batches
    }
    for _ in range(request.launches):
        for label, bundle in named.items():
            batches = tuple(
                batch
                for batch in request.batches
                if all(row.status == "ok" for row in launched[label, batch])
            )
            if not batches:
                continue
            on_job(label, runtime)
            job = Job(
                folder=str(bundle.root),
                label=label,
                runtime=runtime,
                batches=batches,
                threads=request.threads,
                trust_factory=request.trust_factory,
                rule=request.rule,
            )
            for row in run_in_process(job, timeout_s=request.timeout_s):
                launched[label, row.batch].append(row)
    return [pool(rows) for rows in launched.values()]


def _named(bundle: Bundle, baseline: Bundle | None) -> dict[str, Bundle]:
    """Return the bundles by the name that tables show, baseline first."""
    if baseline is None:
        return {bundle.name: bundle}
    if baseline.root.resolve() == bundle.root.resolve():
        raise UsageError(f"{bundle.root} is both bundle and baseline; name another --baseline")
    if baseline.name != bundle.name:
        return {baseline.name: baseline, bundle.name: bundle}
    return {str(baseline.root): baseline, str(bundle.root): bundle}


def _with_baseline(rows: Sequence[Row], baseline: str | None) -> tuple[Row, ...]:
    """Put the baseline's median beside every other bundle's row of the same runtime and batch."""
    medians = {(row.runtime, row.batch): row.median_s for row in rows if row.bundle == baseline}
    return tuple(
        row
        if row.bundle == baseline
        else replace(row, baseline_median_s=medians.get((row.runtime, row.batch)))
        for row in rows
    )
