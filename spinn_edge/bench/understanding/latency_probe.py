"""Times networks of given widths beside each other: what a search for a latency target asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.evidence.intervals import median_interval
from spinn_edge.bench.evidence.paired_rows import at_batch, latency_s
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.contenders import Contender, Schedule, time_contenders
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError, RuntimeUnavailableError, UsageError
from spinn_edge.core.words import dashed
from spinn_edge.pruning.targets.latency_goal import MeasuredLatency, Widths
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyProbe:
    """A measuring function for :func:`spinn_edge.pruning.targets.latency.choose_widths`.

    Attributes:
        bundle_at: gives the network with these widths, holding the runtime's format;
            :meth:`spinn_edge.bench.understanding.width_variants.WidthVariants.at` does for an MLP.
        runtime: name from the registry.
        batch: samples in one inference.
        options: how the runtime opens a bundle.
        launches: fresh processes for each network; three or more give an interval.
        timeout_s: time for one launch.
        rule: when one launch stops.
        on_launch: called with what is timed and the number of its launch, from 1, before each
            process starts.

    Raises:
        UsageError: the runtime is unknown, or a number makes no sense.
    """

    bundle_at: Callable[[Widths], Bundle]
    runtime: str = "ort-cpu"
    batch: int = 1
    options: OpenOptions = field(default_factory=OpenOptions)
    launches: int = 5
    timeout_s: float = 300.0
    rule: TimingRule = field(default_factory=TimingRule)
    on_launch: Callable[[Contender, int], None] = lambda contender, launch: None

    def __post_init__(self) -> None:
        registry.find(self.runtime)
        if self.batch < 1:
            raise UsageError(f"--batch must be at least 1, got {self.batch}")
        if self.launches < 1:
            raise UsageError(f"--launches must be at least 1, got {self.launches}")

    def __call__(self, asked: Sequence[Widths]) -> list[MeasuredLatency]:
        """Time networks host to host, launches in turn over all of them.

        Args:
            asked: widths of each.

        Returns:
            One latency for each, in their order.

        Raises:
            ExportError: a network could not be written or proved.
            InferenceError: one failed while it was timed.
            MissingDependencyError: what writes or runs the format is not installed.
            RuntimeUnavailableError: the runtime cannot work on this machine.
        """
        contenders = [
            Contender(label=bundle.name, bundle=bundle, runtime=self.runtime, options=self.options)
            for bundle in map(self.bundle_at, asked)
        ]
        schedule = Schedule(
            batches=(self.batch,),
            boundaries=(HOST_TO_HOST,),  # what an application pays, and what every runtime has
            launches=self.launches,
            timeout_s=self.timeout_s,
            rule=self.rule,
        )
        timed = time_contenders(contenders, schedule, on_launch=self.on_launch)
        return [
            self._latency(widths, at_batch(rows, self.batch))
            for widths, rows in zip(asked, timed, strict=True)
        ]

    def _latency(self, widths: Widths, row: Row) -> MeasuredLatency:
        found_s = latency_s(row)
        if found_s is None:
            wrong = RuntimeUnavailableError if row.status == "unavailable" else InferenceError
            raise wrong(
                f"{dashed(widths)} was not timed on {self.runtime} at batch {self.batch}: "
                f"{row.reason}; choose another --runtime or --batch"
            )
        interval = median_interval(row.launch_medians_s)
        return MeasuredLatency(
            widths=widths,
            latency_s=found_s,
            low_s=None if interval is None else interval.low,
            high_s=None if interval is None else interval.high,
        )
