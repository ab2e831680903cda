"""What a runtime costs before and beside its latency: start, first inference, memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from spinn_edge.bench.machine.footprint import Footprint
from spinn_edge.bench.measurement import Row
from spinn_edge.report import formatting as f
from spinn_edge.report.sheet import Sheet

TITLE = "Footprint of one process, median of its launches"
HEAD = (
    *("bundle", "runtime", ">import", ">load", ">first inference", ">memory after load"),
    *(">peak", ">device memory"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FootprintLine:
    """One bundle on one runtime; times in seconds, memory in bytes.

    Attributes:
        bundle: its name.
        runtime: its name, with the one that stood in, and the precision where it is not fp32.
        import_s: importing the runtime's library.
        load_s: from the file to an open runtime.
        first_inference_s: compilation and allocation included.
        resident_after_load_bytes: VmRSS when it was open.
        peak_resident_bytes: VmHWM at the end, every batch size included.
        device_bytes: most that it held on a GPU when a row was done; None on the CPU, and where
            the driver does not tell.
    """

    bundle: str
    runtime: str
    import_s: float | None
    load_s: float | None
    first_inference_s: float | None
    resident_after_load_bytes: int | None
    peak_resident_bytes: int | None
    device_bytes: int | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The line under ``HEAD``."""
        return (
            self.bundle,
            self.runtime,
            f.seconds(self.import_s),
            f.seconds(self.load_s),
            f.seconds(self.first_inference_s),
            f.size(self.resident_after_load_bytes),
            f.size(self.peak_resident_bytes),
            f.size(self.device_bytes),
        )


def footprint_sheet(rows: Sequence[Row]) -> Sheet | None:
    """Return the table, the memory of a device only where a line has it; None without a line."""
    lines = footprint_lines(rows)
    if not lines:
        return None
    on_device = any(line.device_bytes is not None for line in lines)
    columns = len(HEAD) if on_device else len(HEAD) - 1
    return Sheet(title=TITLE, head=HEAD[:columns], lines=tuple(x.cells[:columns] for x in lines))


def footprint_lines(rows: Sequence[Row]) -> list[FootprintLine]:
    """Return a line for each bundle, runtime and precision of which a process was watched."""
    groups: dict[tuple[str, str, str], list[Footprint]] = {}
    for row in rows:
        name = f.runtime(row.runtime, row.served_by, row.precision)
        groups.setdefault((row.bundle, name, row.precision), []).extend(row.footprints)
    return [
        FootprintLine(
            bundle=bundle,
            runtime=runtime,
            import_s=_median(found, lambda one: one.import_s),
            load_s=_median(found, lambda one: one.load_s),
            first_inference_s=_median(found, lambda one: one.first_inference_s),
            resident_after_load_bytes=_whole(
                _median(found, lambda one: one.resident_after_load_bytes)
            ),
            peak_resident_bytes=_most(one.peak_resident_bytes for one in found),
            device_bytes=_most(one.device_bytes for one in found),
        )
        for (bundle, runtime, _), found in groups.items()
        if found
    ]


def _median(
    found: Iterable[Footprint], figure: Callable[[Footprint], float | None]
) -> float | None:
    known = [value for one in found if (value := figure(one)) is not None]
    return statistics.median(known) if known else None


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
