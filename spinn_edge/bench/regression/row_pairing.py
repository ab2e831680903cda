"""Rows of two results that answer one question under one set of conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spinn_edge.bench.measurement import Question, Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.core.errors import UsageError

Key = tuple[str, Question, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRow:
    """A row that was timed before and has no counterpart now.

    Attributes:
        old: what was timed.
        new: what became of it; None where the new result says nothing of it.
        reason: in words.
    """

    old: Row
    new: Row | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPairing:
    """Every row of the old result that was timed, and rows that are new.

    Attributes:
        pairs: old and new, both timed under the same conditions.
        lost: old rows without a counterpart.
        added: rows timed in the new result that the old one did not time.
    """

    pairs: tuple[tuple[Row, Row], ...]
    lost: tuple[LostRow, ...]
    added: tuple[Row, ...]


def pair_rows(old: BenchResult, new: BenchResult) -> RowPairing:
    """Pair rows by bundle, threads and :attr:`Row.conditions`.

    Rows of different threads, boundary, rate, TF32 or stand-in are never paired. With one bundle on
    each side its name does not matter.

    Raises:
        UsageError: a result answers one question twice.
    """
    alone = one_bundle_each(old, new)
    before = _by_key(old.rows, "OLD", alone)
    after = _by_key(new.rows, "NEW", alone)
    pairs, lost = [], []
    for key, row in before.items():
        if row.status != "ok":
            continue
        counterpart = after.get(key)
        if counterpart is not None and _comparable(row, counterpart):
            pairs.append((row, counterpart))
        else:
            reason = _why_lost(row, counterpart, key, after)
            lost.append(LostRow(old=row, new=counterpart, reason=reason))
    timed = {key for key, row in before.items() if row.status == "ok"}
    added = [row for key, row in after.items() if row.status == "ok" and key not in timed]
    return RowPairing(pairs=tuple(pairs), lost=tuple(lost), added=tuple(added))


def one_bundle_each(old: BenchResult, new: BenchResult) -> bool:
    """Tell whether bundles pair whatever their names."""
    return len(old.bundles) == len(new.bundles) == 1


def row_name(row: Row) -> str:
    """Return ``pruned: ort-cpu, fp32, batch 1, host-to-host``.

    Threads follow unless it is one, and the rate where there is one.
    """
    stand_in = "" if row.served_by == row.runtime else f" (served by {row.served_by})"
    threads = "" if row.threads == 1 else f", {row.threads} threads"
    rate = "" if row.rate_per_s is None else f", {row.rate_per_s:,.10g} a second"
    return (
        f"{row.bundle}: {row.runtime}{stand_in}, {row.precision}, batch {row.batch}, "
        f"{row.boundary}{threads}{rate}"
    )


def _by_key(rows: Sequence[Row], side: str, alone: bool) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for row in rows:
        key = ("" if alone else row.bundle, row.question, row.threads)
        if key in found:
            raise UsageError(
                f"{side} holds two rows of {row_name(row)}, so it is not clear which to compare; "
                "measure it again with: spinn-edge bench MODEL --save-baseline FILE"
            )
        found[key] = row
    return found


def _comparable(old: Row, new: Row) -> bool:
    return new.status == "ok" and new.conditions == old.conditions


def _why_lost(row: Row, counterpart: Row | None, key: Key, after: dict[Key, Row]) -> str:
    if counterpart is None:
        others = [str(found.threads) for other, found in after.items() if other[:2] == key[:2]]
        if others:
            return f"timed with threads={row.threads} in OLD, {', '.join(others)} in NEW"
        return "not in NEW"
    if counterpart.status != "ok":
        return f"{counterpart.status} in NEW: {counterpart.reason}"
    return f"served by {row.served_how} in OLD, served by {counterpart.served_how} in NEW"
