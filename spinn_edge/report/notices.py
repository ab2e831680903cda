"""What really loaded, as far as a reader of figures must know it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spinn_edge.bench.measurement import Row
from spinn_edge.report import formatting as f

_TF32 = "TF32 is on: the factors of float32 products may be rounded to 10 bits of mantissa"


def row_notices(rows: Iterable[Row]) -> list[str]:
    """Return every notice of the rows once, behind the runtimes that it holds for."""
    return notice_lines(
        (f.served(row.runtime, row.served_by), _notices_of(row)) for row in rows if row.facts
    )


def notice_lines(found: Iterable[tuple[str, Sequence[str]]]) -> list[str]:
    """Join the names of equal notices: ``trt, trt-no-graph: TF32 is on``.

    Args:
        found: names with their notices; both may come again.
    """
    names: dict[str, list[str]] = {}
    for name, notices in found:
        for notice in notices:
            named = names.setdefault(" ".join(notice.split()), [])
            named += [] if name in named else [name]
    return [f"{', '.join(named)}: {notice}" for notice, named in names.items()]


def _notices_of(row: Row) -> tuple[str, ...]:
    """Return a row's notices; TF32 has one, whether its runtime wrote it or not."""
    if row.facts is None:
        return ()
    notices = row.facts.notices
    said = any("TF32" in notice for notice in notices)
    return (*notices, _TF32) if row.facts.tf32 and not said else notices
