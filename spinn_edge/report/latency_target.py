"""The table that widths were chosen from, towards a latency."""

from __future__ import annotations

from spinn_edge.core.words import dashed
from spinn_edge.pruning.targets.latency import LatencyPlan, LatencyRound, Trial
from spinn_edge.pruning.targets.latency_goal import MeasuredLatency
from spinn_edge.report import formatting as f
from spinn_edge.report.sheet import Sheet


def latency_plan_sheet(plan: LatencyPlan) -> Sheet:
    """Return what was measured last of every width, fewest parameters first, then the dense one."""
    latest: dict[tuple[int, ...], tuple[Trial, int]] = {}
    for number, one in enumerate(plan.rounds, start=1):
        latest.update({trial.candidate.widths: (trial, number) for trial in one.trials})
    ordered = sorted(latest.values(), key=lambda found: found[0].candidate.parameters)
    last = plan.rounds[-1]
    lines = [_line(trial, number, plan) for trial, number in ordered]
    return Sheet(
        title="Measured widths, groups in order",
        head=("widths", ">parameters", ">measurement", ">latency", ">interval", "verdict"),
        lines=(*lines, _dense_line(last, len(plan.rounds))),
        caption="each measurement times its networks and the dense one in turn; compare within one",
    )


def _line(trial: Trial, number: int, plan: LatencyPlan) -> tuple[str, ...]:
    chosen = trial.candidate.widths == plan.widths
    verdict = "chosen" if chosen else ("in time" if trial.within else "too slow")
    return (
        dashed(trial.candidate.widths),
        f.whole(trial.candidate.parameters),
        str(number),
        f.seconds(trial.latency.latency_s),
        _interval(trial.latency),
        f"{verdict}, goal {f.seconds(trial.goal_s)}",
    )


def _dense_line(last: LatencyRound, number: int) -> tuple[str, ...]:
    latency = last.dense.latency
    return (
        dashed(latency.widths),
        f.whole(last.dense.candidate.parameters),
        str(number),
        f.seconds(latency.latency_s),
        _interval(latency),
        "dense",
    )


def _interval(latency: MeasuredLatency) -> str:
    if latency.low_s is None or latency.high_s is None:
        return ""
    return f"{f.seconds(latency.low_s)} to {f.seconds(latency.high_s)}"
