"""How near an inference comes to what the machine can do, and what holds it up.

Source: S. Williams, A. Waterman, D. Patterson, "Roofline: An Insightful Visual Performance Model
for Multicore Architectures", Communications of the ACM 52 (4), 2009.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.bench.understanding.ceilings import Ceilings
from spinn_edge.bench.understanding.work import Work, work_of
from spinn_edge.core.manifest import Manifest

COMPUTE, MEMORY, DISPATCH = "compute", "memory", "dispatch"
"""What an inference is bound by: the rate of products, that of bytes, or what each call and each
operator cost whatever their size."""

DISPATCH_SHARE = 0.5
"""Share of the latency from which something counts as what holds an inference up.

An assumption: where the dispatch floor is known, it must be at least half of the latency; where it
is not, the limit must be less than half, so that most of the time goes elsewhere. Slow kernels look
the same then."""

MEASURED = "measured"
"""Where a dispatch floor comes from, if not from an inference of less work, which it cannot exceed.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roofline:
    """One latency beside the machine's limit.

    Attributes:
        flops: of one inference.
        bytes_moved: of one inference; taken for its working set too.
        latency_s: that was measured.
        flops_per_s: the machine's best.
        bytes_per_s: the machine's best for a working set of this size, over and over.
        dispatch_floor_s: what an inference of no size costs, or more than that; None where unknown.
    """

    flops: float
    bytes_moved: float
    latency_s: float
    flops_per_s: float
    bytes_per_s: float
    dispatch_floor_s: float | None

    @property
    def intensity(self) -> float:
        """Arithmetic intensity, FLOPs a byte."""
        return self.flops / self.bytes_moved

    @property
    def compute_s(self) -> float:
        """Shortest time for the FLOPs."""
        return self.flops / self.flops_per_s

    @property
    def memory_s(self) -> float:
        """Shortest time for the bytes."""
        return self.bytes_moved / self.bytes_per_s

    @property
    def attainable_s(self) -> float:
        """The limit: products and bytes at their best rates, at the same time."""
        return max(self.compute_s, self.memory_s)

    @property
    def limited_by(self) -> str:
        """Which of the two the limit comes from."""
        return COMPUTE if self.compute_s >= self.memory_s else MEMORY

    @property
    def share(self) -> float:
        """Share of the limit that was reached; above 1, the ceilings were measured too low."""
        return self.attainable_s / self.latency_s

    @property
    def bound_by(self) -> str:
        """What holds it up, by the rule of ``DISPATCH_SHARE``."""
        if self.dispatch_floor_s is None:
            dispatch = self.attainable_s < DISPATCH_SHARE * self.latency_s
        else:
            dispatch = self.dispatch_floor_s >= DISPATCH_SHARE * self.latency_s
        return DISPATCH if dispatch else self.limited_by

    def to_json(self) -> dict[str, float | str | None]:
        """Return the figures and what follows from them."""
        return {
            "flops": self.flops,
            "bytes_moved": self.bytes_moved,
            "latency_s": self.latency_s,
            "flops_per_s": self.flops_per_s,
            "bytes_per_s": self.bytes_per_s,
            "dispatch_floor_s": self.dispatch_floor_s,
            "intensity": self.intensity,
            "compute_s": self.compute_s,
            "memory_s": self.memory_s,
            "attainable_s": self.attainable_s,
            "share": self.share,
            "limited_by": self.limited_by,
            "bound_by": self.bound_by,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflineRow:
    """A row of a benchmark beside the limit.

    Attributes:
        bundle: as in the benchmark's row, like the next four.
        runtime: that was asked for.
        served_by: that really ran.
        precision: of the file.
        batch: samples in one inference.
        threads: inside one operator.
        roofline: None where ``reason`` says why there is none.
        reason: None where there is a roofline.
        counted: of which activations the bytes were counted; empty without a roofline.
        floor_from: ``MEASURED``; the inference of less work, ``pruned at batch 1``, whose latency
            stands for the floor; or empty where no dispatch floor is known.
    """

    bundle: str
    runtime: str
    served_by: str
    precision: str
    batch: int
    threads: int
    roofline: Roofline | None
    reason: str | None
    counted: str = ""
    floor_from: str = ""


def roofline_of(
    flops: float,
    bytes_moved: float,
    latency_s: float,
    ceilings: Ceilings,
    dispatch_floor_s: float | None = None,
) -> Roofline:
    """Hold one latency against the ceilings of as many threads.

    The bytes are taken for the working set: inferences that follow each other find a small network
    in the cache, so the ceiling is that of copies of its size.

    Args:
        flops: of one inference.
        bytes_moved: of one inference, each byte once.
        latency_s: of one inference.
        ceilings: of the same machine, in the same session.
        dispatch_floor_s: what an inference of no size costs, if that was measured.
    """
    return Roofline(
        flops=flops,
        bytes_moved=bytes_moved,
        latency_s=latency_s,
        flops_per_s=ceilings.flops_per_s,
        bytes_per_s=ceilings.copy_bytes_per_s(bytes_moved),
        dispatch_floor_s=dispatch_floor_s,
    )


def rooflines(
    result: BenchResult,
    ceilings: Mapping[int, Ceilings],
    *,
    floor_of: Callable[[Row], float | None] = lambda row: None,
    manifests: Mapping[str, Manifest] | None = None,
) -> list[RooflineRow]:
    """Hold rows that were timed from host to host against the ceilings of their threads.

    Rows of a fixed rate are left out.

    Where no dispatch floor was measured, the latency of less work takes its place if it is short
    enough to rule dispatch out: a smaller batch of the same network, or an MLP of as many layers
    and fewer FLOPs. The floor is in that latency too, so it cannot be longer.

    Args:
        result: a benchmark of this machine.
        ceilings: by number of threads.
        floor_of: returns a row's dispatch floor, seconds; None where it was not measured.
        manifests: by name of the bundle, for bundles whose widths are unknown.

    Returns:
        A row each, in order. Those on a GPU, and those that something is not known of, have a
        reason in the place of a roofline.
    """
    facts = {item.name: item for item in result.bundles}
    timed = [
        row
        for row in result.rows
        # at a fixed rate, a pause empties caches before each inference
        if row.samples_s and row.boundary == HOST_TO_HOST and row.rate_per_s is None
    ]
    return [
        _roofline_row(
            row,
            facts.get(row.bundle),
            ceilings,
            floor=_floor(row, timed, facts, floor_of),
            manifest=(manifests or {}).get(row.bundle),
        )
        for row in timed
    ]


def _roofline_row(
    row: Row,
    facts: BundleFacts | None,
    ceilings: Mapping[int, Ceilings],
    *,
    floor: tuple[float | None, str],
    manifest: Manifest | None,
) -> RooflineRow:
    work = work_of(facts, row.batch, row.precision, manifest) if facts else None
    reason = _why_not(row, work, ceilings)
    roofline = None
    if reason is None:
        assert work is not None
        assert row.median_s is not None
        roofline = roofline_of(
            work.flops, work.bytes_moved, row.median_s, ceilings[row.threads], floor[0]
        )
    return RooflineRow(
        bundle=row.bundle,
        runtime=row.runtime,
        served_by=row.served_by,
        precision=row.precision,
        batch=row.batch,
        threads=row.threads,
        roofline=roofline,
        reason=reason,
        counted=work.counted if roofline and work else "",
        floor_from=floor[1] if roofline else "",
    )


def _why_not(row: Row, work: Work | None, ceilings: Mapping[int, Ceilings]) -> str | None:
    """Return why a row cannot be held against a ceiling; None when it can."""
    device = row.facts.device if row.facts else None
    if device is None:
        return "the result does not say what device it ran on; bench it again"
    if device != "cpu":
        return f"it ran on {device}, and only the CPU's ceilings are measured"
    if work is None:
        return (
            "the bundle does not say its FLOPs or its parameters; export it from a module instead "
            "of a foreign file"
        )
    if row.threads not in ceilings:
        return (
            f"it ran with {row.threads} threads, and ceilings were measured with "
            f"{', '.join(map(str, sorted(ceilings))) or 'none'}; measure_ceilings({row.threads})"
        )
    return None


def _floor(
    row: Row,
    timed: Sequence[Row],
    facts: Mapping[str, BundleFacts],
    floor_of: Callable[[Row], float | None],
) -> tuple[float | None, str]:
    """Return a row's dispatch floor and where it comes from."""
    assert row.median_s is not None
    measured = floor_of(row)
    if measured is not None:
        return measured, MEASURED
    smaller = [
        (other.median_s, f"{other.bundle} at batch {other.batch}")
        for other in timed
        if other.median_s is not None and _is_less_work(other, row, facts)
    ]
    floor_s, name = min(smaller, default=(math.inf, ""))
    return (floor_s, name) if floor_s < DISPATCH_SHARE * row.median_s else (None, "")


def _is_less_work(other: Row, row: Row, facts: Mapping[str, BundleFacts]) -> bool:
    """Tell whether another row makes the same calls, on less."""
    if _how(other) != _how(row) or other.batch > row.batch:
        return False
    if other.bundle == row.bundle:
        return other.batch < row.batch
    theirs, ours = facts.get(other.bundle), facts.get(row.bundle)
    if theirs is None or ours is None or not len(theirs.widths) == len(ours.widths) > 0:
        return False
    return (theirs.flops_per_sample or math.inf) < (ours.flops_per_sample or 0)


def _how(row: Row) -> tuple[str, str, str, int]:
    return row.runtime, row.served_by, row.precision, row.threads
