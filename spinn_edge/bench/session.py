"""All bundles on all runtimes in all precisions at all batch sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from spinn_edge.bench.boundaries import BOUNDARIES, HOST_TO_HOST
from spinn_edge.bench.evidence.paired_rows import beside_baseline
from spinn_edge.bench.loops.pacing import check_rate
from spinn_edge.bench.loops.sweep import SWEEP
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.machine.environment import describe_environment
from spinn_edge.bench.machine.machine_load import LoadWatch
from spinn_edge.bench.processes.contenders import Contender, Schedule, time_contenders
from spinn_edge.bench.processes.worker import EVERY_BOUNDARY
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import PRECISIONS
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import MISMATCH_POLICIES, OpenOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """What to time and how.

    Attributes:
        runtimes: names from the registry.
        every_runtime: they are all that there are, not named one by one, so that one which cannot
            work here is no fault.
        batches: samples in one inference; ``SWEEP`` for powers of two until throughput is
            saturated.
        precisions: files of the bundle, each timed by itself.
        boundaries: what to time; see :attr:`spinn_edge.bench.processes.worker.Job.boundaries`.
        launches: fresh processes for each bundle, runtime and precision.
        threads: CPU threads inside one operator.
        timeout_s: time for one launch, start and compilation included.
        on_mismatch: see :class:`spinn_edge.runtimes.base.OpenOptions`, as for the next four.
        tf32: likewise.
        provider_options: likewise.
        trust_factory: likewise.
        trust_engine_code: likewise.
        rule: when to stop.
        rates_per_s: fixed rates at which each batch size is timed as well, inferences a second;
            see :mod:`spinn_edge.bench.loops.pacing`.
        energy: measure it too, host to host, where a counter can be read: a second for each row.

    Raises:
        UsageError: an unknown name, or a number that makes no sense.
    """

    runtimes: tuple[str, ...]
    every_runtime: bool = False
    batches: tuple[int, ...] = (1, 1000)
    precisions: tuple[str, ...] = PRECISIONS[:1]
    boundaries: tuple[str, ...] = ()
    launches: int = 1
    threads: int = 1
    timeout_s: float = 300.0
    on_mismatch: str = MISMATCH_POLICIES[0]
    tf32: bool = False
    provider_options: Mapping[str, str] = field(default_factory=dict)
    trust_factory: bool = False
    trust_engine_code: bool = False
    rule: TimingRule = field(default_factory=TimingRule)
    rates_per_s: tuple[float, ...] = ()
    energy: bool = False

    def __post_init__(self) -> None:
        for name in self.runtimes:
            registry.find(name)
        sizes = () if self.batches == SWEEP else self.batches
        if not self.runtimes or not self.batches or min(sizes, default=1) < 1:
            raise UsageError(
                f"name at least one runtime and batch sizes of 1 or more, got runtimes "
                f"{list(self.runtimes)} and batches {list(self.batches)}"
            )
        for option, value in (("--threads", self.threads), ("--launches", self.launches)):
            if value < 1:
                raise UsageError(f"{option} must be at least 1, got {value}")
        if not self.precisions:
            raise UsageError(f"name at least one precision of {', '.join(PRECISIONS)}")
        for precision in self.precisions:
            self.options(precision)
        for boundary in self.boundaries if self.boundaries != EVERY_BOUNDARY else ():
            if boundary not in BOUNDARIES:
                known = ", ".join(BOUNDARIES)
                raise UsageError(f"--boundary {boundary}: expected main, all, or some of {known}")
        self._check_rates()

    @property
    def schedule(self) -> Schedule:
        """How everything is timed."""
        return Schedule(
            batches=self.batches,
            boundaries=self.boundaries,
            launches=self.launches,
            timeout_s=self.timeout_s,
            rule=self.rule,
            rates_per_s=self.rates_per_s,
            energy=self.energy,
        )

    def options(self, precision: str) -> OpenOptions:
        """Return how a runtime is opened on the bundle's file of one precision."""
        return OpenOptions(
            threads=self.threads,
            precision=precision,
            tf32=self.tf32,
            on_mismatch=self.on_mismatch,
            provider_options=self.provider_options,
            trust_factory=self.trust_factory,
            trust_engine_code=self.trust_engine_code,
        )

    def _check_rates(self) -> None:
        for rate_per_s in self.rates_per_s:
            check_rate(rate_per_s)
        if self.rates_per_s and self.batches == SWEEP:
            raise UsageError(
                "--rate with --batch sweep: a sweep fills the machine, a rate leaves pauses; name "
                "batch sizes, such as --batch 1, or leave --rate out"
            )
        if self.rates_per_s and not {*(self.boundaries or (HOST_TO_HOST,))} & {
            HOST_TO_HOST,
            *EVERY_BOUNDARY,
        }:
            raise UsageError(
                f"--rate with --boundary {','.join(self.boundaries)}: a rate is timed "
                f"{HOST_TO_HOST} and set against that; add {HOST_TO_HOST} to --boundary"
            )


def run_bench(
    bundle: Bundle,
    request: BenchRequest,
    *,
    baseline: Bundle | None = None,
    on_launch: Callable[[Contender, int], None] = lambda contender, launch: None,
) -> BenchResult:
    """Time a bundle, and beside it a baseline, on every runtime in every precision.

    Launches alternate over all of them, the bundle's right behind the baseline's; see
    :func:`spinn_edge.bench.processes.contenders.time_contenders`.

    Args:
        bundle: what is timed.
        request: runtimes, batches, rules.
        baseline: what it is compared with.
        on_launch: called with what is launched and the number of its launch, from 1, before each
            process starts.
    """
    created = datetime.now(UTC).isoformat(timespec="seconds")
    environment = describe_environment()
    named = _named(bundle, baseline)
    contenders = [
        Contender(label=label, bundle=item, runtime=runtime, options=request.options(precision))
        for runtime in request.runtimes
        for precision in request.precisions
        for label, item in named.items()
    ]
    watch = LoadWatch.start()
    timed = time_contenders(contenders, request.schedule, on_launch=on_launch)
    load = watch.stop()  # now: what follows would count as the waiting's cost
    baseline_label = next(iter(named)) if baseline is not None else None
    facts = [
        BundleFacts.of(item, label, baseline=label == baseline_label)
        for label, item in named.items()
    ]
    return BenchResult(
        created_utc=created,
        environment=environment,
        bundles=tuple(facts),
        rows=beside_baseline([row for rows in timed for row in rows], baseline_label),
        every_runtime=request.every_runtime,
        energy_asked=request.energy,
        load=load,
    )


def _named(bundle: Bundle, baseline: Bundle | None) -> dict[str, Bundle]:
    """Return the bundles by the name that tables show, baseline first."""
    if baseline is None:
        return {bundle.name: bundle}
    if baseline.root.resolve() == bundle.root.resolve():
        raise UsageError(f"{bundle.root} is both bundle and baseline; name another --baseline")
    if baseline.name != bundle.name:
        return {baseline.name: baseline, bundle.name: bundle}
    return {str(baseline.root): baseline, str(bundle.root): bundle}
