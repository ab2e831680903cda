"""Numbers with units, at the edge where people read them."""

from __future__ import annotations

from collections.abc import Callable

from spinn_edge.bench.evidence.intervals import NO_DIFFERENCE, Interval
from spinn_edge.bench.measurement import Row
from spinn_edge.core.words import dashed as dashed

NOT_MEASURED = "not measured"


def seconds(value: float | None) -> str:
    """Return ``31.2 µs``, ``5.20 ms`` or ``1.30 s``; a dash for None.

    Only 0 is ``0.00 µs``: what was measured keeps a digit, ``3.20 ns``.
    """
    return _scaled(value, "s")


def size(count: int | None) -> str:
    """Return ``1.20 GB``, ``2.67 MB`` (10^6 bytes), ``839 kB`` or ``12 B``; a dash for None."""
    if count is None:
        return "–"
    for factor, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= _ROUNDS_UP * factor:
            return f"{_three_digits(count / factor)} {unit}"
    return f"{count} B"


def span(interval: Interval | None, value: Callable[[float], str]) -> str:
    """Return ``14.9 µs to 15.8 µs``; a dash for None."""
    return "–" if interval is None else f"{value(interval.low)} to {value(interval.high)}"


def speedup(row: Row) -> str:
    """Return ``3.04× (2.91 to 3.17)``, or that no difference was seen; a dash for None.

    Without an interval the ratio stands alone.
    """
    if row.verdict == NO_DIFFERENCE:
        return NO_DIFFERENCE
    between = row.speedup_interval
    if row.speedup is None or between is None:
        return ratio(row.speedup)
    return f"{ratio(row.speedup)} ({between.low:.2f} to {between.high:.2f})"


def joules(value: float | None) -> str:
    """Return ``1.30 J``, ``4.20 mJ`` or ``31.2 µJ``; a dash for None."""
    return _scaled(value, "J")


def per_second(value: float | None) -> str:
    """Return ``32,100/s``; a dash for None."""
    return "–" if value is None else f"{value:,.0f}/s"


def rate(value: float) -> str:
    """Return ``1,000 a second``."""
    return f"{value:,.10g} a second"


def ratio(value: float | None) -> str:
    """Return ``3.10×``; a dash for None."""
    return "–" if value is None else f"{value:.2f}×"


def whole(value: int | None) -> str:
    """Return ``666,882``; a dash for None."""
    return "–" if value is None else f"{value:,}"


def score(value: float | None) -> str:
    """Return a coefficient of determination with four decimals; a dash for None."""
    return "–" if value is None else f"{value:.4f}"


def difference(before: float | None, after: float | None) -> str:
    """Return ``+0.0123``, the second less the first; a dash where one is None."""
    return "–" if before is None or after is None else f"{after - before:+z.4f}"


def magnitude(value: float | None) -> str:
    """Return three significant digits; a dash for None."""
    return "–" if value is None else f"{value:.3g}"


def change(before: float, after: float) -> str:
    """Return the relative change with its sign: ``-68.5 %``."""
    if before == 0:
        return "–"
    return f"{(after - before) / abs(before):+z.1%}".replace("%", " %")


def served(runtime: str, served_by: str) -> str:
    """Return ``trt → ort-cpu`` where a stand-in ran, else the runtime's name."""
    return runtime if served_by in ("", runtime) else f"{runtime} → {served_by}"


def runtime(name: str, served_by: str, precision: str) -> str:
    """Return :func:`served`, with the precision where it is not fp32."""
    mark = "" if precision == "fp32" else f" {precision}"
    return served(name, served_by) + mark


def _scaled(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if value == 0:
        return f"0.00 µ{unit}"
    for factor, prefix in ((1e9, "n"), (1e6, "µ"), (1e3, "m")):
        if abs(value) * factor < _ROUNDS_UP * 1e3:
            return f"{_three_digits(value * factor)} {prefix}{unit}"
    return f"{_three_digits(value)} {unit}"


def _three_digits(value: float) -> str:
    if 0 < abs(value) < _ROUNDS_UP:
        return f"{value:.3g}"
    decimals = 2 if abs(value) < 10 * _ROUNDS_UP else 1 if abs(value) < 100 * _ROUNDS_UP else 0
    return f"{value:.{decimals}f}"


_ROUNDS_UP = 0.9995
"""Share of a power of ten from which on three digits round to it: 999.6 kB is 1.00 MB."""
