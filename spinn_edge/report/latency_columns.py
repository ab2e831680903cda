"""The columns of latency tables, for the screen and for Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spinn_edge.bench.boundaries import BOUND, DEVICE, ENQUEUE, HOST_TO_HOST
from spinn_edge.bench.measurement import Row
from spinn_edge.report import formatting as f

TITLES = {
    HOST_TO_HOST: "Latency, host to host",
    BOUND: "Latency, inputs bound before",
    DEVICE: "Latency on the device",
    ENQUEUE: "Host's time to start an inference",
}
SPANS = {
    HOST_TO_HOST: "numpy in, numpy out, copies included",
    BOUND: "the run and the wait for its end, inputs bound before, no copies",
    DEVICE: "device time between two events around the enqueue, copies left out",
    ENQUEUE: "host time of the call that starts an inference, its end not waited for",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A cell of a row.

    Attributes:
        title: at its head.
        text: makes the cell.
        rank: 0 stays on every screen; of the others the highest goes first, and equals together.
        number: aligned right.
    """

    title: str
    text: Callable[[Row], str]
    rank: int = 0
    number: bool = True


def name_columns(rows: Sequence[Row]) -> tuple[Column, ...]:
    """Return what tells the rows of one table apart; the precision only where it differs."""
    columns = [
        Column(title="bundle", text=lambda row: row.bundle, number=False),
        Column(title="runtime", text=_runtime, number=False),
    ]
    if several_precisions(rows):
        columns.append(Column(title="precision", text=lambda row: row.precision, number=False))
    return (*columns, Column(title="batch", text=lambda row: str(row.batch)))


def figure_columns(boundary: str) -> tuple[Column, ...]:
    """Return what is stated of a timed row, the figure that comparisons use before its tail."""
    return tuple(_FIGURES[name] for name in _ORDER[boundary])


def several_precisions(rows: Sequence[Row]) -> bool:
    """Tell whether a table needs a column that says which precision."""
    return len({row.precision for row in rows}) > 1


def _runtime(row: Row) -> str:
    return f.served(row.runtime, row.served_by)


_FIGURES = {
    "H2D": Column(title="H2D", text=lambda row: f.seconds(row.upload_median_s), rank=1),
    "compute": Column(title="compute", text=lambda row: f.seconds(row.median_s)),
    "D2H": Column(title="D2H", text=lambda row: f.seconds(row.download_median_s), rank=1),
    "median": Column(title="median", text=lambda row: f.seconds(row.median_s)),
    "interval": Column(
        title="95 % interval", text=lambda row: f.span(row.median_interval_s, f.seconds), rank=5
    ),
    "mean": Column(
        title="mean ± std",
        text=lambda row: (
            "–" if row.mean_s is None else f"{f.seconds(row.mean_s)} ± {f.seconds(row.std_s)}"
        ),
        rank=7,
    ),
    "p90": Column(title="p90", text=lambda row: f.seconds(row.p90_s), rank=3),
    "p95": Column(title="p95", text=lambda row: f.seconds(row.p95_s), rank=8),
    "p99.9": Column(title="p99.9", text=lambda row: f.seconds(row.p999_s), rank=8),
    "p99": Column(title="p99", text=lambda row: f.seconds(row.p99_s), rank=2),
    "throughput": Column(
        title="throughput", text=lambda row: f.per_second(row.throughput_per_s), rank=6
    ),
    "speed-up": Column(title="speed-up", text=f.speedup),
    "kernels": Column(title="kernels", text=lambda row: f.whole(row.launches), rank=4),
    "parity": Column(
        title="parity",
        text=lambda row: f.magnitude(row.parity.max_abs if row.parity else None),
        rank=5,
    ),
}

_TAIL = ("p90", "p95", "p99", "p99.9")
_WALL_TIME = ("median", "interval", "mean", *_TAIL, "speed-up", "throughput", "parity")
_ORDER = {
    HOST_TO_HOST: _WALL_TIME,
    BOUND: _WALL_TIME,
    DEVICE: (
        *("H2D", "compute", "D2H", "interval", "mean", *_TAIL),
        *("speed-up", "throughput", "kernels", "parity"),
    ),
    ENQUEUE: ("median", "interval", "mean", *_TAIL, "speed-up"),
}
