"""Which widths answer in time: candidates are measured, and the largest that does is taken."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from spinn_edge.core.errors import PruningError
from spinn_edge.core.words import dashed
from spinn_edge.pruning.targets.latency_candidates import Candidate, CandidateSpace
from spinn_edge.pruning.targets.latency_goal import (
    LatencyGoal,
    MeasuredLatency,
    Widths,
    microseconds,
)

Measure = Callable[[Sequence[Widths]], list[MeasuredLatency]]
"""Times networks with these widths in one run, launches in turn, so that a drift of the machine
hits all alike. Gives one latency for each, in their order."""

RATIOS = tuple(number / 10 for number in range(1, 10))
"""Of the dense widths: what the first table holds."""

MULTIPLES = (1, 8, 16)
"""Widths are tried as they come, and as multiples of what vector units work in."""

_STEPS = 4
"""Ratios that are tried between the network that answers in time and the next one that does not."""

_FALLBACKS = 2
"""Smaller networks that are measured again beside the best one, which may have had luck."""

_MOST_REFINEMENTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A candidate that was measured.

    Attributes:
        candidate: what.
        latency: its time.
        goal_s: what it had to meet in that round, seconds.
    """

    candidate: Candidate
    latency: MeasuredLatency
    goal_s: float

    @property
    def within(self) -> bool:
        """It answers in time."""
        return self.latency.latency_s <= self.goal_s


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyRound:
    """What was measured together.

    Attributes:
        dense: the network as it is.
        trials: in order of parameters, fewest first.
    """

    dense: Trial
    trials: tuple[Trial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPlan:
    """The widths that were chosen, and all that was measured.

    Attributes:
        goal: what was asked for.
        chosen: the largest candidate that answers in time, as it was measured last.
        rounds: in their order; the first looks only at the dense and at the smallest network.
    """

    goal: LatencyGoal
    chosen: Trial
    rounds: tuple[LatencyRound, ...]

    @property
    def widths(self) -> Widths:
        """One for each group."""
        return self.chosen.candidate.widths


def choose_widths(
    dense: Widths,
    *,
    goal: LatencyGoal,
    measure: Measure,
    count: Callable[[Widths], int],
    multiples: Sequence[int] = MULTIPLES,
    floors: Sequence[int] = (),
    protected: Collection[int] = (),
    ratios: Sequence[float] = RATIOS,
    on_round: Callable[[int, Sequence[Widths]], None] = lambda number, widths: None,
) -> LatencyPlan:
    """Find the network with the most parameters whose measured latency is within a goal.

    The dense and the smallest network are looked at first: a goal that lies outside needs no table.
    Then all groups are scaled by common ratios, as they come and rounded, and measured together;
    then ratios between the best and the next slower one, beside the best itself and smaller ones:
    the best of many noisy figures is often one that had luck. What was measured last counts.

    Args:
        dense: widths of the network that is given.
        goal: seconds, or a share of the dense latency.
        measure: see :data:`Measure`; the dense network is in every call, first.
        count: parameters of the whole network with these widths.
        multiples: what widths are rounded to; a group where no multiple fits stays as it is.
        floors: smallest width of each group; empty for 1.
        protected: places of the groups that stay as they are.
        ratios: of the first table, in (0, 1).
        on_round: called before each measurement with its number, from 1, and what is timed.

    Raises:
        PruningError: no width can shrink, the dense network answers in time already, or the
            smallest does not.
    """
    space = CandidateSpace(
        dense=dense,
        floors=tuple(floors) or (1,) * len(dense),
        protected=frozenset(protected),
        multiples=tuple(multiples),
        count=count,
    )
    search = _Search(space, goal, measure, on_round)
    smallest = space.candidates((0.0,))[:1]
    if not smallest:
        raise PruningError(
            f"no width of {dashed(dense)} can shrink: every group is protected or at its floor"
        )
    look = search.time(smallest)
    _refuse_beyond_noise(look)
    table = search.time([*smallest, *space.candidates(ratios)])
    if table.dense.within:
        raise PruningError(_already(table.dense))
    for _ in range(_MOST_REFINEMENTS):
        best = search.best()
        refined = space.candidates(_ratios_above(best, search.latest()))
        ahead = [
            candidate
            for candidate in refined
            if candidate.parameters > best.candidate.parameters and not search.knows(candidate)
        ]
        if not ahead:
            break
        search.time([*ahead, best.candidate, *search.fallbacks(best)])
        if search.best().candidate.parameters >= best.candidate.parameters:
            break  # else even the best was too slow this time: look again below it
    return LatencyPlan(goal=goal, chosen=search.best(), rounds=tuple(search.rounds))


class _Search:
    """What was measured so far."""

    def __init__(
        self,
        space: CandidateSpace,
        goal: LatencyGoal,
        measure: Measure,
        on_round: Callable[[int, Sequence[Widths]], None],
    ) -> None:
        self.rounds: list[LatencyRound] = []
        self._dense = Candidate(
            ratio=1.0, multiple=1, widths=space.dense, parameters=space.count(space.dense)
        )
        self._goal, self._measure, self._on_round = goal, measure, on_round

    def time(self, candidates: Sequence[Candidate]) -> LatencyRound:
        """Measure candidates beside the dense network."""
        asked = {c.widths: c for c in (self._dense, *candidates)}
        self._on_round(len(self.rounds) + 1, tuple(asked))
        latencies = self._measure(tuple(asked))
        goal_s = self._goal.seconds(latencies[0].latency_s)
        dense, *trials = (
            Trial(candidate=candidate, latency=latency, goal_s=goal_s)
            for candidate, latency in zip(asked.values(), latencies, strict=True)
        )
        trials.sort(key=lambda trial: trial.candidate.parameters)
        self.rounds.append(LatencyRound(dense=dense, trials=tuple(trials)))
        return self.rounds[-1]

    def latest(self) -> list[Trial]:
        """Return the last measurement of every candidate, fewest parameters first."""
        found = {trial.candidate.widths: trial for r in self.rounds for trial in r.trials}
        return sorted(found.values(), key=lambda trial: trial.candidate.parameters)

    def best(self) -> Trial:
        """Return the largest that answers in time.

        Raises:
            PruningError: none does; says which was the fastest.
        """
        within = [trial for trial in self.latest() if trial.within]
        if not within:
            raise PruningError(_out_of_reach(self.latest(), self.rounds[-1].dense))
        return within[-1]

    def fallbacks(self, best: Trial) -> list[Candidate]:
        """Return the largest ones below the best that answer in time."""
        smaller = [
            trial.candidate
            for trial in self.latest()
            if trial.within and trial.candidate.parameters < best.candidate.parameters
        ]
        return smaller[-_FALLBACKS:]

    def knows(self, candidate: Candidate) -> bool:
        return any(trial.candidate.widths == candidate.widths for trial in self.latest())


def _ratios_above(best: Trial, latest: Sequence[Trial]) -> list[float]:
    """Return ratios between the best and the next one that is too slow."""
    low = best.candidate.ratio
    slower = [t.candidate.ratio for t in latest if not t.within and t.candidate.ratio > low]
    high = min(slower, default=1.0)
    return [low + (high - low) * step / (_STEPS + 1) for step in range(1, _STEPS + 1)]


def _refuse_beyond_noise(look: LatencyRound) -> None:
    """Refuse a goal that the dense network surely meets, or the smallest one surely does not."""
    dense, (smallest,) = look.dense, look.trials
    high_s, low_s = dense.latency.high_s, smallest.latency.low_s
    if high_s is not None and high_s <= dense.goal_s:
        raise PruningError(_already(dense))
    if low_s is not None and low_s > smallest.goal_s:
        raise PruningError(_out_of_reach(look.trials, dense))


def _already(dense: Trial) -> str:
    return (
        f"the network as it is ({dashed(dense.candidate.widths)}) answers in "
        f"{microseconds(dense.latency.latency_s)}, within {microseconds(dense.goal_s)}: there is "
        "nothing to remove; ask for a shorter one"
    )


def _out_of_reach(trials: Sequence[Trial], dense: Trial) -> str:
    fastest = min(trials, key=lambda trial: trial.latency.latency_s)
    return (
        f"no network of this shape answers in {microseconds(fastest.goal_s)}: the fastest that was "
        f"measured, {dashed(fastest.candidate.widths)}, takes "
        f"{microseconds(fastest.latency.latency_s)} (as it is: "
        f"{microseconds(dense.latency.latency_s)}); what is left is no arithmetic, so ask for more "
        "time, a faster --runtime, or fewer layers"
    )
