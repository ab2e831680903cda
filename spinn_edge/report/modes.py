"""Rows whose runs have more than one speed, in words: where the speeds come from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.evidence.modes import SMALLEST_SHARE, Mode
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.advice import advice_once
from spinn_edge.report.latency_columns import several_precisions

MAINLY = 0.8
"""Share of a launch's runs from which on it ran mainly in a mode; and of a mode's runs in such
launches, from which on it is made of whole launches. An assumption: the tail of a fast launch
reaches into the slow mode."""

_COUNTS = {2: "two", 3: "three", 4: "four"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchModes:
    """How the modes of a row lie in its launches.

    Attributes:
        homes: of each launch, the number of the mode that it mainly ran in; None where it ran in
            several.
        of_whole_launches: every mode is made of launches that mainly ran in it.
        mixed: launches that ran in several modes for more than a tail's share of their time.
    """

    homes: tuple[int | None, ...]
    of_whole_launches: bool
    mixed: int


def mode_remarks(result: BenchResult) -> list[str]:
    """Return what rows have separate modes, those of one cause together.

    It says where the modes lie, and whether a launch keeps its speed (then the placement of its
    process decides, and only more launches show how often) or runs at several.
    """
    found = ((row, row.modes) for row in result.rows)
    precise = several_precisions(result.rows)
    return advice_once(
        (f"{_where(row, precise)}: {_speeds(modes)}, {fact}", advice)
        for row, modes in found
        if len(modes) > 1
        for fact, advice in [_cause(row, modes)]
    )


def launch_modes(row: Row, modes: Sequence[Mode]) -> LaunchModes:
    """Say which launches ran in which mode.

    Args:
        row: with samples, launch after launch.
        modes: of its samples, as :func:`spinn_edge.bench.evidence.modes.modes_of` gives them.
    """
    counts = [_count(part, modes) for part in _launches(row)]
    homes = tuple(
        next((number for number, held in enumerate(one) if held >= MAINLY * sum(one)), None)
        for one in counts
    )
    at_home = [
        sum(one[number] for one, home in zip(counts, homes, strict=True) if home == number)
        for number in range(len(modes))
    ]
    everywhere = [sum(one[number] for one in counts) for number in range(len(modes))]
    return LaunchModes(
        homes=homes,
        of_whole_launches=all(
            at >= MAINLY * total for at, total in zip(at_home, everywhere, strict=True)
        ),
        mixed=sum(sum(held >= SMALLEST_SHARE * sum(one) for held in one) > 1 for one in counts),
    )


def _launches(row: Row) -> Iterator[tuple[float, ...]]:
    ends = itertools.accumulate(row.launch_samples or (len(row.samples_s),), initial=0)
    return (row.samples_s[start:end] for start, end in itertools.pairwise(ends) if start < end)


def _count(samples_s: Sequence[float], modes: Sequence[Mode]) -> list[int]:
    return [sum(mode.low_s <= one <= mode.high_s for one in samples_s) for mode in modes]


def _speeds(modes: Sequence[Mode]) -> str:
    count = _COUNTS.get(len(modes), str(len(modes)))
    first, *others = modes
    return f"{count} speeds: " + ", ".join(
        [
            f"{_per_cent(first.share)} of the runs near {f.seconds(first.at_s)}",
            *(f"{_per_cent(mode.share)} near {f.seconds(mode.at_s)}" for mode in others),
        ]
    )


def _cause(row: Row, modes: Sequence[Mode]) -> tuple[str, str]:
    """Say whether the launches differ or the runs inside them; and what follows from it."""
    found = launch_modes(row, modes)
    count = len(found.homes)
    if count == 1:
        return (
            "inside its one launch",
            "whether others run alike is not known: take more with --launches",
        )
    ran_at = ", ".join(
        f"{found.homes.count(number)} near {f.seconds(mode.at_s)}"
        for number, mode in enumerate(modes)
    )
    if found.of_whole_launches:
        return (
            f"of whole launches ({ran_at})",
            "each launch keeps its speed: an effect of placement (where the process came to lie in "
            f"memory, or on which core), not of the model; {count} launches do not tell how often, "
            "so take more with --launches",
        )
    if len({home for home in found.homes if home is not None}) > 1:
        return (
            f"({ran_at}; {found.mixed} of {count} launches ran at several)",
            "launches differ from each other: take more with --launches",
        )
    return (
        f"inside launches ({found.mixed} of {count})",
        "the median alone does not describe that: read p90 and p99 beside it",
    )


def _where(row: Row, precise: bool) -> str:
    runtime = f.served(row.runtime, row.served_by)
    parts = [row.bundle, f"{runtime} {row.precision}" if precise else runtime]
    parts += [f"batch {row.batch}"]
    parts += [] if row.boundary == HOST_TO_HOST else [row.boundary]
    parts += [] if row.rate_per_s is None else [f.rate(row.rate_per_s)]
    return ", ".join(parts)


def _per_cent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
