"""What peers and harnesses answered, as rows, and the rows as tables and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peer_harnesses import HARNESSES, NOT_FROM_PIP
from peer_loops import PEERS, REFERENCE

from spinn_edge.bench.evidence.intervals import (
    Interval,
    median_interval,
    noise_floor,
    speedup_interval,
    speedup_of,
    verdict_on,
)
from spinn_edge.bench.evidence.stats import quantile
from spinn_edge.core.decode import encode
from spinn_edge.report import formatting as f
from spinn_edge.report.latency_columns import SPANS
from spinn_edge.report.markdown_text import cell


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRow:
    """One peer or harness on one bundle at one batch size.

    Attributes:
        name: key of ``PEERS`` or ``HARNESSES``, or ``ours`` beside a harness.
        batch: samples in one inference.
        launches_s: of each launch its samples, seconds; empty where there is no number.
        used_share: of the tolerance of the golden outputs, worst launch; None where none came.
        reason: why there is no number; None where there is one.
    """

    name: str
    batch: int
    launches_s: tuple[tuple[float, ...], ...] = ()
    used_share: float | None = None
    reason: str | None = None

    @classmethod
    def of(cls, name: str, batch: int, answers: Sequence[Mapping[str, Any]]) -> PeerRow:
        """Join the launches; one without a number decides for all."""
        shares = [answer["used_share"] for answer in answers if "used_share" in answer]
        used_share = max(shares, default=None)
        reason = next((answer["refused"] for answer in answers if answer["refused"]), None)
        if reason is not None or not answers:
            reason = reason or "it did not come to that"
            return cls(name=name, batch=batch, used_share=used_share, reason=reason)
        launches_s = tuple(tuple(answer["samples_s"]) for answer in answers)
        return cls(name=name, batch=batch, launches_s=launches_s, used_share=used_share)

    @property
    def launch_medians_s(self) -> tuple[float, ...]:
        """Median of each launch."""
        return tuple(statistics.median(samples) for samples in self.launches_s)

    @property
    def median_s(self) -> float | None:
        """Median of all samples; None without any."""
        samples = self._samples_s
        return statistics.median(samples) if samples else None

    @property
    def p99_s(self) -> float | None:
        """99th percentile; None with fewer than 1000 samples."""
        return quantile(self._samples_s, 0.99)

    @property
    def _samples_s(self) -> list[float]:
        return [sample for launch in self.launches_s for sample in launch]

    def to_json(self) -> dict[str, Any]:
        """Return it without its samples, which would be megabytes in a repository."""
        return {
            "name": self.name,
            "batch": self.batch,
            "reason": self.reason,
            "median_s": self.median_s,
            "median_interval_s": encode(median_interval(self.launch_medians_s)),
            "p99_s": self.p99_s,
            "launch_medians_s": list(self.launch_medians_s),
            "launch_samples": [len(samples) for samples in self.launches_s],
            "used_share_of_tolerance": self.used_share,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A row's time over that of another, launch by launch.

    Attributes:
        ratio: below 1 is faster than the other.
        interval: where it lies; None with too few launches.
        verdict: ``faster``, ``slower`` or ``no difference seen``; None with too few launches.
    """

    ratio: float
    interval: Interval | None
    verdict: str | None

    @classmethod
    def of(cls, row: PeerRow, other: PeerRow | None) -> Against | None:
        """Compare two rows; None where one has no number."""
        if other is None or not row.launches_s or not other.launches_s:
            return None
        mine, theirs = row.launch_medians_s, other.launch_medians_s
        ratio = speedup_of(mine, theirs)
        assert ratio is not None
        return cls(
            ratio=ratio,
            interval=speedup_interval(mine, theirs),
            verdict=verdict_on(speedup_interval(theirs, mine), noise_floor(mine, theirs)),
        )

    @property
    def words(self) -> str:
        """``1.05 (1.02 to 1.08)``."""
        between = f.span(self.interval, lambda value: f"{value:.3f}")
        return f"{self.ratio:.3f}" + (f" ({between})" if self.interval else "")


def peer_table(rows: Sequence[PeerRow], boundary: str) -> Iterator[str]:
    """Return the table of one boundary of one bundle, behind what it spans."""
    yield from (f"Boundary {boundary}: {SPANS[boundary]}.", "")
    yield (
        "| | batch | median | its 95 % interval | p99 | time over the bare loop's | | "
        "tolerance used |"
    )
    yield "|---|---:|---:|---:|---:|---:|---|---:|"
    for row, against in _beside_reference(rows, boundary):
        cells = [PEERS[row.name].title, str(row.batch)]
        if row.reason is not None:
            yield f"| {' | '.join(cells)} | no number: {cell(row.reason)} | | | | | |"
            continue
        cells += [
            f.seconds(row.median_s),
            f.span(median_interval(row.launch_medians_s), f.seconds),
            f.seconds(row.p99_s),
            against.words if against else "–",
            (against.verdict if against else None) or "",
            "–" if row.used_share is None else f"{row.used_share:.1%}",
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""


def harness_table(rows: Sequence[PeerRow], ours: Sequence[PeerRow]) -> Iterator[str]:
    """Return what harnesses answered beside what ours did, for the same model.

    Args:
        rows: of harnesses.
        ours: of ``spinn-edge bench``, in the same order.
    """
    yield from ("Harness against harness, the same model in each line:", "")
    yield (
        "| harness | it reports | batch | its answer | spinn-edge bench, median | ours | "
        "its answer over ours |"
    )
    yield "|---|---|---:|---:|---:|---|---:|"
    for row, mine in zip(rows, ours, strict=True):
        harness = HARNESSES[row.name]
        against = Against.of(row, mine)
        answer = f.seconds(row.median_s) if row.reason is None else f"none: {cell(row.reason)}"
        beside = f.seconds(mine.median_s) if mine.reason is None else f"none: {cell(mine.reason)}"
        cells = [harness.title, harness.figure, str(row.batch), answer, beside]
        cells += [f"{harness.runtime}, {harness.boundary}", against.words if against else "–"]
        yield f"| {' | '.join(cells)} |"
    yield from ("", NOT_FROM_PIP, "")


def rows_document(rows: Sequence[PeerRow]) -> list[dict[str, Any]]:
    """Return the rows of peers with what they span and how they compare."""
    found = []
    for boundary in REFERENCE:
        for row, against in _beside_reference(rows, boundary):
            peer = PEERS[row.name]
            found.append(
                {
                    **row.to_json(),
                    "title": peer.title,
                    "boundary": boundary,
                    "reference": REFERENCE[boundary],
                    "over_reference": encode(against),
                }
            )
    return found


def harness_document(rows: Sequence[PeerRow], ours: Sequence[PeerRow]) -> list[dict[str, Any]]:
    """Return the rows of harnesses with ours beside them."""
    return [
        {
            **row.to_json(),
            "title": HARNESSES[row.name].title,
            "figure": HARNESSES[row.name].figure,
            "boundary": HARNESSES[row.name].boundary,
            "ours": mine.to_json(),
            "over_ours": encode(Against.of(row, mine)),
        }
        for row, mine in zip(rows, ours, strict=True)
    ]


def _beside_reference(
    rows: Sequence[PeerRow], boundary: str
) -> Iterator[tuple[PeerRow, Against | None]]:
    """Return the rows of a boundary, batch by batch, and how they compare with the bare loop."""
    bare = {row.batch: row for row in rows if row.name == REFERENCE[boundary]}
    for batch in dict.fromkeys(row.batch for row in rows):
        for row in rows:
            if row.batch == batch and PEERS[row.name].boundary == boundary:
                is_bare = row.name == REFERENCE[boundary]
                yield row, None if is_bare else Against.of(row, bare.get(batch))
