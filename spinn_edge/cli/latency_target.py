"""``spinn-edge prune`` towards a latency: widths from a measured table, then measured again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spinn_edge.core.errors import UsageError
from spinn_edge.core.words import dashed

if TYPE_CHECKING:
    from torch import nn

    from spinn_edge.bench.understanding.latency_probe import LatencyProbe
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.core.pruning_record import LatencyRecord
    from spinn_edge.export.bundling import ExportRequest
    from spinn_edge.models.loading import LoadedModel
    from spinn_edge.pruning.graph.groups import ChannelGraph
    from spinn_edge.pruning.targets.latency import LatencyPlan
    from spinn_edge.pruning.targets.latency_goal import LatencyGoal
    from spinn_edge.pruning.targets.limits import Limits

_FINAL_LAUNCHES = 10
"""Launches of the pruned network and the one before, once the widths are chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyWish:
    """What was typed of a latency.

    Attributes:
        goal: seconds, or a share of the dense latency; None where only the speed-up is asked.
        runtime: that shall be fast.
        batch: samples in one inference.
        launches: fresh processes for each network.
    """

    goal: LatencyGoal | None
    runtime: str
    batch: int
    launches: int


def read_wish(
    *,
    by: str,
    target: float | None,
    latency_us: float | None,
    runtime: str,
    batch: int,
    launches: int,
    speedup: bool,
) -> LatencyWish | None:
    """Return what is wished of the latency; None where nothing is.

    Raises:
        UsageError: two targets at once, or a number that makes no sense.
    """
    from spinn_edge.pruning.targets.latency_goal import LatencyGoal
    from spinn_edge.runtimes import registry

    if by != "latency" and latency_us is None:
        if not speedup:
            return None
        registry.find(runtime)
        return LatencyWish(goal=None, runtime=runtime, batch=batch, launches=launches)
    if by not in ("latency", "parameters") or (latency_us is not None and target is not None):
        raise UsageError(
            "one target at a time: --latency-us 40, or --target 0.4 --by latency, or --target with "
            "--by parameters, flops or bytes"
        )
    registry.find(runtime)
    goal = (
        LatencyGoal(absolute_s=latency_us * 1e-6)
        if latency_us is not None
        else LatencyGoal(share=target)
    )
    return LatencyWish(goal=goal, runtime=runtime, batch=batch, launches=launches)


class LatencyTarget:
    """Searches widths that are fast enough, and holds the pruned network against the goal."""

    def __init__(
        self,
        wish: LatencyWish,
        loaded: LoadedModel,
        graph: ChannelGraph,
        folder: Path,
        request: ExportRequest,
        printer: Printer,
    ) -> None:
        """Write and time nothing yet.

        Args:
            wish: the goal, and where it shall hold.
            loaded: the network before pruning.
            graph: its groups.
            folder: for networks of other widths; the caller's to remove.
            request: inputs and largest batch of the bundles.
            printer: hears of progress.
        """
        from spinn_edge.bench.understanding.cut_variants import CutVariants

        self._wish, self._graph, self._printer = wish, graph, printer
        self._dense = tuple(group.channels for group in graph.groups)
        self._variants = CutVariants(
            loaded, graph, folder, runtime=wish.runtime, request=request, on_step=printer.say
        )
        self._module = loaded.module

    def choose(self, limits: Limits) -> LatencyPlan:
        """Measure candidates and return the largest network that answers in time.

        Raises:
            PruningError: the goal is out of reach, or the network meets it as it is.
        """
        from spinn_edge.pruning.targets.amounts import measure_amount
        from spinn_edge.pruning.targets.latency import MULTIPLES, choose_widths
        from spinn_edge.pruning.targets.limits import bounds

        assert self._module is not None
        amount = measure_amount("parameters", self._module, self._graph, ())
        limited = bounds(self._graph, limits)
        multiples = (limits.round_to,) if limits.round_to > 1 else MULTIPLES
        assert self._wish.goal is not None
        return choose_widths(
            self._dense,
            goal=self._wish.goal,
            measure=self._probe(self._variants.at, self._wish.launches),
            count=lambda widths: round(amount(widths)),
            multiples=multiples,
            floors=[bound.floor for bound in limited],
            protected=[i for i, bound in enumerate(limited) if bound.floor == bound.ceiling],
            on_round=self._announce,
        )

    def time(self, pruned: nn.Module, widths: tuple[int, ...]) -> LatencyRecord:
        """Measure the pruned network beside the one before, in one run, and say what it came to."""
        from spinn_edge.core.pruning_record import LatencyRecord
        from spinn_edge.pruning.targets.latency_goal import judge_latency, microseconds

        found = {
            self._dense: self._variants.at(self._dense),
            widths: self._variants.write(pruned, "pruned"),
        }
        probe = self._probe(found.__getitem__, _FINAL_LAUNCHES)
        before, after = probe([self._dense, widths])
        wish, goal_s, reached = self._wish, None, None
        where = f"{wish.runtime}, batch {wish.batch}"
        self._printer.show(
            f"latency on {where}: before {microseconds(before.latency_s)}, after "
            f"{microseconds(after.latency_s)}, {before.latency_s / after.latency_s:.2f}×"
        )
        if wish.goal is not None:
            goal_s = wish.goal.seconds(before.latency_s)
            verdict = judge_latency(after, goal_s)
            reached = verdict.reached
            self._printer.show(f"latency {verdict.words}")
        return LatencyRecord(
            runtime=wish.runtime,
            batch=wish.batch,
            machine=_machine(),
            before_s=before.latency_s,
            after_s=after.latency_s,
            after_low_s=after.low_s,
            after_high_s=after.high_s,
            goal_s=goal_s,
            reached=reached,
        )

    def _probe(self, bundle_at: Callable[[tuple[int, ...]], Bundle], launches: int) -> LatencyProbe:
        from spinn_edge.bench.understanding.latency_probe import LatencyProbe
        from spinn_edge.cli.time_left import TimedLines

        lines = TimedLines(self._printer.say)
        return LatencyProbe(
            bundle_at=bundle_at,
            runtime=self._wish.runtime,
            batch=self._wish.batch,
            launches=launches,
            on_launch=lambda contender, launch: lines.step(
                f"launch {launch} of {launches}: {contender.label}", launch - 1, launches
            ),
        )

    def _announce(self, number: int, widths: Sequence[tuple[int, ...]]) -> None:
        self._printer.say(
            f"measurement {number}: {len(widths)} networks on {self._wish.runtime}, batch "
            f"{self._wish.batch}, {self._wish.launches} launches each, narrowest "
            f"{dashed(min(widths))}"
        )


def _machine() -> str:
    from spinn_edge.bench.machine.environment import describe_environment

    found = describe_environment()
    return " and ".join(part for part in (found.cpu, found.gpu) if part)
