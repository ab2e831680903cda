"""Rooflines as a table and in words that say what helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spinn_edge.bench.evidence.intervals import Interval
from spinn_edge.bench.understanding.ceilings import MEMORY_FACTOR, Ceilings
from spinn_edge.bench.understanding.roofline import (
    COMPUTE,
    DISPATCH,
    DISPATCH_SHARE,
    MEASURED,
    Roofline,
    RooflineRow,
)
from spinn_edge.bench.understanding.work import ENDS, EVERY_LAYER, WEIGHTS_ONLY
from spinn_edge.core.decode import decode
from spinn_edge.core.manifest import PRECISIONS
from spinn_edge.report import formatting as f
from spinn_edge.report.notices import notice_lines
from spinn_edge.report.sheet import Sheet

_CAPTION = (
    "limit: FLOPs and bytes at the best rates that this machine showed, at the same time; reached: "
    "limit over latency; activation functions are not counted"
)
_COUNTED = {ENDS: "weights, inputs and outputs", WEIGHTS_ONLY: "weights"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    rows: tuple[RooflineRow, ...] = ()
    ceilings: Ceilings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explanation:
    roofline: _Part | None = None


def read_roofline(
    document: Mapping[str, Any], name: str
) -> tuple[Ceilings | None, tuple[RooflineRow, ...]]:
    """Return what a document of ``spinn-edge explain`` holds of rooflines, if anything.

    Args:
        document: as it was read.
        name: of it, for messages.

    Raises:
        BundleError: the document is damaged.
    """
    part = decode(_Explanation, document, where=name).roofline or _Part()
    return part.ceilings, part.rows


def roofline_sheet(rows: Sequence[RooflineRow]) -> Sheet:
    """Return a line for each row that was held against the limit."""
    names = _name_columns(rows)
    return Sheet(
        title="Roofline",
        head=(
            *names,
            *(">latency", ">FLOPs", ">bytes", ">FLOP/byte", ">limit", ">reached", "bound by"),
        ),
        lines=tuple(
            (*_name_cells(row, names), *_figures(row.roofline))
            for row in rows
            if row.roofline is not None
        ),
        caption=_CAPTION,
    )


def roofline_words(rows: Sequence[RooflineRow]) -> list[str]:
    """Return what each row is bound by and what helps, then what was not judged, and why."""
    held = [(row, row.roofline) for row in rows if row.roofline is not None]
    lines = [f"{_name(row, rows)}: {_verdict(row, roofline)}" for row, roofline in held]
    lower = dict.fromkeys(row.precision for row, _ in held if row.precision != PRECISIONS[0])
    if lower:
        names = " and ".join(lower)
        lines.append(f"{names} rows are held against float32 products: a CPU may have faster ones")
    for bundle, counted in dict.fromkeys((row.bundle, row.counted) for row, _ in held):
        if counted != EVERY_LAYER:
            lines.append(
                f"{bundle}: widths are not known, so activations between layers are not counted "
                f"(counted: {_COUNTED[counted]}); more bytes may move than the limit knows of"
            )
    return [
        *lines,
        *(
            f"no roofline: {line}"
            for line in notice_lines(
                (_name(row, rows), (row.reason,)) for row in rows if row.reason is not None
            )
        ),
    ]


def ceiling_words(ceilings: Ceilings) -> list[str]:
    """Return what the machine did at best, and what is doubtful about it."""
    count, blas = len(ceilings.launches), ceilings.launches[0].blas
    threads = "1 thread" if ceilings.threads == 1 else f"{ceilings.threads} threads"
    launches = "of 1 launch" if count == 1 else f"the fastest of {count} launches"
    lines = [
        f"ceilings of {threads}, {launches}: "
        f"{flops_per_s(ceilings.flops_per_s)} in a float32 GEMM of {blas}"
        f"{_between(ceilings.flops_interval, 'GFLOP/s')}; copies, read and written: "
        f"{bytes_per_s(ceilings.cache_bytes_per_s)} in {f.size(ceilings.working_set_bytes)}, "
        f"{bytes_per_s(ceilings.memory_bytes_per_s)} in {f.size(ceilings.memory_bytes)}"
        f"{_between(ceilings.memory_interval, 'GB/s')}"
    ]
    if ceilings.cache_bytes is None:
        lines.append("the system does not name its caches, so what lies in memory is a guess")
    elif not ceilings.memory_is_memory:
        lines.append(
            f"the ceiling of memory may be partly the cache's: there was room for "
            f"{f.size(ceilings.memory_bytes)}, less than {MEMORY_FACTOR} times the cache of "
            f"{f.size(ceilings.cache_bytes)}; free some memory"
        )
    return lines


def _verdict(row: RooflineRow, roofline: Roofline) -> str:
    share = _percent(roofline.share)
    if roofline.bound_by == DISPATCH:
        return (
            f"{share} of the limit: dispatch-bound ({_floor(row, roofline)}); fewer layers or "
            "larger batches help, narrower layers little"
        )
    whose = "this core" if row.threads == 1 else f"{row.threads} threads"
    if roofline.bound_by == COMPUTE:
        words = f"{share} of the GEMM rate of {whose}: compute-bound; fewer FLOPs help"
    else:
        words = (
            f"{share} of the rate at which {whose} can copy {f.size(round(roofline.bytes_moved))}: "
            "memory-bound; fewer parameters help, or a larger batch, which reads them once"
        )
    if roofline.share < DISPATCH_SHARE:
        words += f"; {_floor(row, roofline)}, and slow kernels have a part"
    elif roofline.share > 1:
        words += (
            "; above 100 % the ceilings were measured too low: measure again on an idle machine"
        )
    return words


def _floor(row: RooflineRow, roofline: Roofline) -> str:
    """Return what is known of the dispatch floor."""
    if roofline.dispatch_floor_s is None:
        return "no dispatch floor was measured; slow kernels would look the same"
    share = _percent(roofline.dispatch_floor_s / roofline.latency_s)
    length = f.seconds(roofline.dispatch_floor_s)
    if row.floor_from == MEASURED:
        return f"the dispatch floor of {length} is {share} of it"
    return f"{row.floor_from} takes {length}, so dispatch is at most {share}"


def _figures(roofline: Roofline | None) -> tuple[str, ...]:
    assert roofline is not None
    return (
        f.seconds(roofline.latency_s),
        f.whole(round(roofline.flops)),
        f.size(round(roofline.bytes_moved)),
        f"{roofline.intensity:.2f}" if roofline.intensity < 10 else f"{roofline.intensity:.0f}",
        f.seconds(roofline.attainable_s),
        _percent(roofline.share),
        roofline.bound_by,
    )


def _name_columns(rows: Sequence[RooflineRow]) -> tuple[str, ...]:
    """Return what tells rows apart; precision and threads only where they differ."""
    names = ["bundle", "runtime"]
    names += ["precision"] if len({row.precision for row in rows}) > 1 else []
    names += [">threads"] if len({row.threads for row in rows}) > 1 else []
    return (*names, ">batch")


def _name_cells(row: RooflineRow, names: Sequence[str]) -> tuple[str, ...]:
    cells = {
        "bundle": row.bundle,
        "runtime": f.served(row.runtime, row.served_by),
        "precision": row.precision,
        ">threads": str(row.threads),
        ">batch": str(row.batch),
    }
    return tuple(cells[name] for name in names)


def _name(row: RooflineRow, rows: Sequence[RooflineRow]) -> str:
    """Return ``pruned, ort-cpu, batch 1``."""
    names = _name_columns(rows)
    words = dict(zip(names, _name_cells(row, names), strict=True))
    for title in (">threads", ">batch"):
        if title in words:
            words[title] = f"{title[1:]} {words[title]}"
    return ", ".join(words.values())


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def flops_per_s(value: float) -> str:
    """Return ``12.3 GFLOP/s``."""
    return f"{value / 1e9:.3g} GFLOP/s"


def bytes_per_s(value: float) -> str:
    """Return ``12.3 GB/s``, 10^9 bytes."""
    return f"{value / 1e9:.3g} GB/s"


def _between(interval: Interval | None, unit: str) -> str:
    """Return where the mean of the launches lies: below the fastest, which is the ceiling."""
    if interval is None:
        return ""
    return f" (mean of all {f.span(interval, lambda v: f'{v / 1e9:.3g}')} {unit})"
