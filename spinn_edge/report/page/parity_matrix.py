"""Parity of every runtime at every batch size: how much of its tolerance was used."""

from __future__ import annotations

from collections.abc import Sequence

from spinn_edge.bench.measurement import Row
from spinn_edge.report import formatting as f
from spinn_edge.report.page.markup import Html, tag
from spinn_edge.report.page.sheet_table import cell_text, table

_TITLE = "Parity by batch size: worst error over its tolerance"


def parity_matrix(rows: Sequence[Row], where: str = "") -> Html:
    """Return a line for each bundle, runtime and precision, a column for each batch size.

    Args:
        rows: of one result; those of several boundaries share a cell, which shows the worst.
        where: name of the result, where there are several.
    """
    held: dict[tuple[str, str, str], dict[int, list[Row]]] = {}
    for row in rows:
        if row.parity is not None:
            key = row.bundle, f.served(row.runtime, row.served_by), row.precision
            held.setdefault(key, {}).setdefault(row.batch, []).append(row)
    if not held:
        return tag("p", f"Parity: {f.NOT_MEASURED}.", class_="note")
    batches = sorted({batch for found in held.values() for batch in found})
    head = tag(
        "tr",
        *(tag("th", title, scope="col") for title in ("bundle", "runtime", "precision")),
        *(tag("th", f"batch {batch:,}", scope="col", class_="number") for batch in batches),
    )
    lines = (
        tag(
            "tr",
            *(
                tag("th" if n == 0 else "td", t, scope=None if n else "row")
                for n, t in enumerate(k)
            ),
            *(_cell(found.get(batch, [])) for batch in batches),
        )
        for k, found in held.items()
    )
    return table(f"{_TITLE}{f', {where}' if where else ''}", head, lines, class_="matrix")


def _cell(rows: Sequence[Row]) -> Html:
    found = [row.parity for row in rows if row.parity is not None]
    if not found:
        return tag("td", "–", class_="number")
    worst = max(found, key=lambda parity: (not parity.passed, parity.used_share))
    if not worst.passed:
        reason = " ".join((worst.reason or "").split())
        return tag("td", tag("strong", "✗ failed"), f" {cell_text(reason)}", class_="number broken")
    share = worst.used_share
    words = f"{share:.2g}".replace("inf", "∞") if share > 1 else _percent(share)
    detail = f"{f.magnitude(worst.max_abs)} of {f.magnitude(worst.tolerance)}"
    return tag(
        "td",
        tag("strong", f"✓ {words}"),
        tag("span", f" {detail}", class_="detail"),
        class_="number held",
        style=f"--share:{min(share, 1):.3f}",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else "100 %"
