"""What an explanation means, in sentences that say what to do."""

from __future__ import annotations

from collections.abc import Iterator

from spinn_edge.bench.evidence.intervals import (
    FASTER,
    FEWEST_LAUNCHES,
    NO_DIFFERENCE,
    SLOWER,
)
from spinn_edge.bench.evidence.paired_rows import latency_s
from spinn_edge.bench.machine.noise_advice import noise_advice
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.understanding.dispatch_floor import DispatchFloor, FloorFit
from spinn_edge.bench.understanding.explanation import Explanation
from spinn_edge.bench.understanding.thread_probe import SPINNING_RUNTIMES, ThreadProbe
from spinn_edge.bench.understanding.width_advice import WidthAdvice, WidthTrial
from spinn_edge.report import formatting as f
from spinn_edge.report.roofline import ceiling_words, roofline_words

NOT_JUDGED = "not judged"


def explanation_words(explanation: Explanation) -> list[str]:
    """Return the findings, a sentence each, then what was left out and what disturbed."""
    runtime = explanation.runtime
    ceilings = explanation.ceilings
    return [
        *(f"roofline: {line}" for line in roofline_words(explanation.rooflines)),
        *(ceiling_words(ceilings) if ceilings is not None else ()),
        *(line for floor in explanation.floors for line in floor_words(floor, runtime)),
        *(line for probe in explanation.threads for line in thread_words(probe, runtime)),
        *(line for advice in explanation.widths for line in width_words(advice, runtime)),
        *(f"{item.part}: left out: {item.reason}" for item in explanation.left_out),
        *certainty_words(explanation),
    ]


def floor_words(floor: DispatchFloor, runtime: str) -> Iterator[str]:
    """Say what further pruning can save at most, or why that is not known, and what was seen."""
    begin = f"floor, {runtime}, batch {floor.batch}: "
    if floor.fit is None or floor.floor_s is None:
        yield f"{begin}none is stated: {' '.join(floor.refusal.split())}{_seen(floor)}"
    else:
        between = floor.fit.floor_interval_s
        interval = "" if between is None else f" ({f.span(between, f.seconds)})"
        yield (
            f"{begin}{f.seconds(floor.floor_s)}{interval} of {f.seconds(floor.latency_s)}: further "
            f"pruning can save at most {percent(floor.most_saving)} on this runtime at batch "
            f"{floor.batch}, the number of layers kept; the line floor + slope × FLOPs misses no "
            f"width {_reach(floor.fit, len(floor.points))}by more than "
            f"{f.change(1, 1 + floor.fit.largest_residual)[1:]}"
        )
    if floor.own.verdict in (FASTER, SLOWER):
        twin_s = latency_s(floor.points[-1].row)
        yield (
            f"{begin}the bundle itself takes {f.seconds(floor.latency_s)}, a network of its widths "
            f"with random weights {f.seconds(twin_s)}: {floor.own.verdict} by more than the noise, "
            "so its file or its weights matter, and the floor is that of the random ones"
        )


def thread_words(probe: ThreadProbe, runtime: str) -> Iterator[str]:
    """Say which number of threads to use."""
    begin = f"threads, {runtime}, batch {probe.batch}: "
    if not probe.trials:
        yield f"{begin}this process may use 1 core, so there is nothing to try: keep --threads 1"
        return
    tried = "; ".join(f"{trial.setting.words}: {_outcome(trial.row)}" for trial in probe.trials)
    yield f"{begin}{tried}; {_thread_choice(probe)}"
    facts = probe.trials[0].row.facts
    if facts is not None and facts.device != "cpu":
        yield f"{begin}it runs on {facts.device}, so threads of the host only start its work"
    elif runtime not in SPINNING_RUNTIMES:
        yield (
            f"{begin}whether waiting threads spin was not tried: only "
            f"{', '.join(SPINNING_RUNTIMES)} has a switch for that"
        )


def width_words(advice: WidthAdvice, runtime: str) -> Iterator[str]:
    """Say which multiples help, and at what price."""
    begin = f"widths, {runtime}, batch {advice.batch}: "
    own = f.dashed(advice.widths[1:-1])
    if advice.own is None:
        yield f"{begin}{own} is what every multiple that can be had gives: nothing to try"
    else:
        tried = "; ".join(_width_trial(trial, advice) for trial in advice.trials)
        yield f"{begin}as it is, {own}: {_outcome(advice.own)}; {tried}; {_width_choice(advice)}"


def certainty_words(explanation: Explanation) -> Iterator[str]:
    """Say what a reader must know before believing a verdict."""
    if explanation.rows and explanation.launches < FEWEST_LAUNCHES:
        yield (
            f"no intervals and no verdicts from --launches {explanation.launches}: take "
            f"{FEWEST_LAUNCHES} or more"
        )
    yield from noise_advice(explanation.environment, explanation.load, explanation.rows)


def judgement(row: Row) -> str:
    """Return ``faster, 1.08× (1.05 to 1.11)``, ``no difference seen`` or ``not judged``."""
    if row.verdict is None:
        return NOT_JUDGED
    return row.verdict if row.verdict == NO_DIFFERENCE else f"{row.verdict}, {f.speedup(row)}"


def percent(share: float | None) -> str:
    """Return ``37 %``; a dash for None."""
    return "–" if share is None else f"{share:.0%}".replace("%", " %")


def option(advice: WidthAdvice, trial: WidthTrial) -> str:
    """Return what to type for a rounding: ``--round-to 16``, or hidden widths to train."""
    if advice.pruned:
        return f"--round-to {trial.rounding.multiple}"
    return f"multiples of {trial.rounding.multiple}"


def _reach(fit: FloorFit, points: int) -> str:
    """Say to which widths the line was fitted, where it was not to all."""
    if fit.narrowest == points:
        return ""
    return f"of the {fit.narrowest} narrowest that it was fitted to (wider ones depart from it) "


def _seen(floor: DispatchFloor) -> str:
    """Say what the narrowest measured width takes: that much was seen, whatever the line does."""
    narrowest = floor.points[0]
    short_s, own_s = latency_s(narrowest.row), floor.latency_s
    if short_s is None or own_s is None or len(floor.points) < 2:
        return ""
    return (
        f"; measured: {f.dashed(narrowest.widths)} takes {f.seconds(short_s)} of "
        f"{f.seconds(own_s)}, {percent(1 - short_s / own_s)} less"
    )


def _outcome(row: Row) -> str:
    if not row.samples_s:
        return f"not timed ({' '.join((row.reason or '').split())})"
    told = row.baseline_medians_s or row.baseline_median_s is not None
    return f"{f.seconds(latency_s(row))}{f', {judgement(row)}' if told else ''}"


def _thread_choice(probe: ThreadProbe) -> str:
    best = probe.best
    if best is None:
        return "no setting can be called faster, so keep --threads 1"
    if best.threads == 1:
        return "keep --threads 1"
    waiting = {
        None: "",
        True: ", spinning",
        False: ", not spinning: OpenOptions(spinning=False) in Python",
    }[best.spinning]
    return f"use --threads {best.threads}{waiting}"


def _width_trial(trial: WidthTrial, advice: WidthAdvice) -> str:
    name = option(advice, trial)
    if trial.rounding.unreachable:
        return f"{name}: not to be had ({' '.join(trial.rounding.unreachable.split())})"
    if trial.row is None:
        return f"{name}: as it is"
    return (
        f"{name}: {f.dashed(trial.rounding.widths[1:-1])}, "
        f"{f.change(advice.parameters, trial.parameters or 0)} parameters, {_outcome(trial.row)}"
    )


def _width_choice(advice: WidthAdvice) -> str:
    best = advice.best
    if best is None:
        return "no rounding can be called faster: keep the widths"
    if advice.pruned:
        return f"prune again with --round-to {best.rounding.multiple}"
    hidden = ",".join(map(str, best.rounding.widths[1:-1]))
    return f"train it with --hidden {hidden}"
