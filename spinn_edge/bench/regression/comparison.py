"""Two stored results: what changed, and what of that is a regression."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spinn_edge.bench.machine.machine_class import MachineClass, environment_warnings
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.regression.latency_change import LatencyChange, latency_change
from spinn_edge.bench.regression.row_pairing import LostRow, one_bundle_each, pair_rows, row_name
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.core.decode import encode
from spinn_edge.core.errors import UsageError

COMPARISON_SCHEMA_VERSION = 1
FILE_BYTES, PARAMETER_BYTES, R2 = "file bytes", "parameter bytes", "R²"
PARITY, TIMED = "parity", "timed"
_ROUNDING = 1e-9
"""So that 0.90 less 0.89 is not more than 0.01."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is still no regression.

    Attributes:
        fail_over: share by which a time or a size may grow; 0.1 is 10 %.
        fail_score: by how much an R² may fall.
        allow_missing: a row that was timed before need not be timed now.

    Raises:
        UsageError: a limit is negative or no finite number.
    """

    fail_over: float = 0.10
    fail_score: float = 0.01
    allow_missing: bool = False

    def __post_init__(self) -> None:
        for option, value, example in (
            ("--fail-over", self.fail_over, "10%"),
            ("--fail-score", self.fail_score, "0.01"),
        ):
            if not math.isfinite(value) or value < 0:
                raise UsageError(f"{option} {value:g}: expected 0 or more, such as {example}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactChange:
    """Something beside the latencies that both results tell.

    Attributes:
        kind: ``file bytes``, ``parameter bytes``, ``R²``, ``parity`` or ``timed``.
        name: of what.
        old: bytes, score, or 1 for passed and timed.
        new: likewise, 0 for failed and not timed; None where the new result does not tell.
        failed: it is a regression.
        judged: False where nothing can be said, or where it may be so.
        reason: why it failed or was not judged, where the figures do not say that; else empty.
    """

    kind: str
    name: str
    old: float
    new: float | None
    failed: bool
    judged: bool = True
    reason: str = ""


Change = LatencyChange | FactChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that was compared.

    Attributes:
        limits: what is still no regression.
        old_created_utc: when the old result was measured.
        new_created_utc: when the new one was.
        warnings: what else differs between the two, sentences.
        latencies: one for each row that both timed.
        facts: sizes, scores, parity, and rows that are gone.
    """

    limits: Limits
    old_created_utc: str
    new_created_utc: str
    warnings: tuple[str, ...]
    latencies: tuple[LatencyChange, ...]
    facts: tuple[FactChange, ...]

    @property
    def changes(self) -> tuple[Change, ...]:
        """Latencies, then facts."""
        return (*self.latencies, *self.facts)

    @property
    def failures(self) -> tuple[Change, ...]:
        """What is a regression."""
        return tuple(change for change in self.changes if change.failed)

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``spinn-edge compare --json``."""
        latencies = [
            {
                "name": change.name,
                "old_s": change.old_s,
                "new_s": change.new_s,
                "ratio": change.ratio,
                "ratio_interval": encode(change.interval),
                "noise_floor": change.floor,
                "old_launches": change.old_launches,
                "new_launches": change.new_launches,
                "verdict": change.verdict,
                "failed": change.failed,
            }
            for change in self.latencies
        ]
        return {
            "schema_version": COMPARISON_SCHEMA_VERSION,
            "passed": not self.failures,
            "limits": encode(self.limits),
            "old_created_utc": self.old_created_utc,
            "new_created_utc": self.new_created_utc,
            "warnings": list(self.warnings),
            "latencies": latencies,
            "facts": encode(self.facts),
        }


def compare_results(
    old: BenchResult, new: BenchResult, limits: Limits | None = None, *, any_machine: bool = False
) -> Comparison:
    """Compare a new result with a stored one.

    Args:
        old: the baseline.
        new: what is judged.
        limits: what is still no regression; None for the defaults.
        any_machine: compare results of unlike machines all the same.

    Raises:
        UsageError: the machines are unlike, both are one and the same run, or there is nothing to
            compare.
    """
    limits = limits or Limits()
    if old == new:
        raise UsageError(
            f"OLD and NEW hold one and the same run, of {old.created_utc}: that shows nothing; "
            "measure NEW with: spinn-edge bench MODEL --json NEW"
        )
    unlike = MachineClass.of(old.environment).differences(MachineClass.of(new.environment))
    if unlike and not any_machine:
        raise UsageError(
            f"OLD and NEW come from unlike machines: {'; '.join(unlike)}; times of different "
            "machines say nothing about the software. Measure both on one machine, or add "
            "--any-machine"
        )
    if not any(row.status == "ok" for row in old.rows):
        raise UsageError(
            "no row of OLD was timed, so there is nothing to compare with; see its reasons, then "
            "measure it again with: spinn-edge bench MODEL --save-baseline OLD"
        )
    pairing = pair_rows(old, new)
    if not pairing.pairs and limits.allow_missing:
        first = pairing.lost[0]
        raise UsageError(
            f"no row of OLD and NEW can be compared: {row_name(first.old)}: {first.reason}; "
            "measure NEW as OLD was, same bundles, --runtime, --batch and --threads"
        )
    bundles = _bundle_pairs(old, new)
    runtimes = {row.served_by for pair in pairing.pairs for row in pair}
    warnings = [
        *(f"unlike machines, --any-machine: {words}" for words in unlike),
        *environment_warnings(old.environment, new.environment, runtimes),
        *_score_warnings(bundles),
        *(f"only in NEW, not compared: {row_name(row)}" for row in pairing.added),
    ]
    facts = [
        *(_lost(item, limits) for item in pairing.lost),
        *_parities(pairing.pairs),
        *(fact for pair in bundles for fact in _sizes(*pair, limits.fail_over)),
        *(fact for pair in bundles for fact in _scores(*pair, limits.fail_score)),
    ]
    return Comparison(
        limits=limits,
        old_created_utc=old.created_utc,
        new_created_utc=new.created_utc,
        warnings=tuple(warnings),
        latencies=tuple(
            latency_change(*pair, fail_over=limits.fail_over) for pair in pairing.pairs
        ),
        facts=tuple(facts),
    )


def _bundle_pairs(old: BenchResult, new: BenchResult) -> list[tuple[BundleFacts, BundleFacts]]:
    if one_bundle_each(old, new):
        return [(old.bundles[0], new.bundles[0])]
    after = {facts.name: facts for facts in new.bundles}
    return [(facts, after[facts.name]) for facts in old.bundles if facts.name in after]


def _lost(item: LostRow, limits: Limits) -> FactChange:
    """Judge a row that is not timed any more; wrong outputs are never excused."""
    name = row_name(item.old)
    if item.old.parity and item.old.parity.passed and _computes_wrongly(item.new):
        return FactChange(kind=PARITY, name=name, old=1, new=0, failed=True, reason=item.reason)
    return FactChange(
        kind=TIMED,
        name=name,
        old=1,
        new=0,
        failed=not limits.allow_missing,
        judged=not limits.allow_missing,
        reason=item.reason,
    )


def _computes_wrongly(row: Row | None) -> bool:
    return row is not None and row.parity is not None and not row.parity.passed


def _parities(pairs: Sequence[tuple[Row, Row]]) -> Iterator[FactChange]:
    for old, new in pairs:
        if old.parity and old.parity.passed and new.parity:
            passed = new.parity.passed
            yield FactChange(
                kind=PARITY,
                name=row_name(new),
                old=1,
                new=int(passed),
                failed=not passed,
                reason="" if passed else new.parity.reason or "",
            )


def _sizes(old: BundleFacts, new: BundleFacts, fail_over: float) -> Iterator[FactChange]:
    sizes = [
        (FILE_BYTES, f"{new.name}: {path}", before, new.file_bytes.get(path))
        for path, before in old.file_bytes.items()
    ]
    if old.parameter_bytes is not None:
        sizes.append((PARAMETER_BYTES, new.name, old.parameter_bytes, new.parameter_bytes))
    for kind, name, before, after in sizes:
        if after is not None:
            failed = after > before * (1 + fail_over)
            yield FactChange(kind=kind, name=name, old=before, new=after, failed=failed)


def _scores(old: BundleFacts, new: BundleFacts, fail_score: float) -> Iterator[FactChange]:
    after = _r2_by_name(new)
    for target, before in _r2_by_name(old).items():
        now = after.get(target)
        yield FactChange(
            kind=R2,
            name=f"{new.name}: {target}",
            old=before,
            new=now,
            failed=now is not None and before - now > fail_score + _ROUNDING,
            judged=now is not None,
            reason="NEW has no such score" if now is None else "",
        )


def _r2_by_name(facts: BundleFacts) -> dict[str, float]:
    """Return the scores that exist; a target that is constant has none."""
    if facts.scores is None:
        return {}
    scores = {f"target {name}": score for name, score in facts.scores.r2.items()}
    return {
        name: score
        for name, score in {"overall": facts.scores.r2_overall, **scores}.items()
        if score is not None
    }


def _score_warnings(bundles: Sequence[tuple[BundleFacts, BundleFacts]]) -> Iterator[str]:
    for old, new in bundles:
        if old.scores and new.scores:
            before, after = ((s.source, s.rows) for s in (old.scores, new.scores))
            if before != after:
                yield (
                    f"{new.name} was scored on other rows: {before[1]} rows, {before[0]}, in OLD; "
                    f"{after[1]} rows, {after[0]}, in NEW"
                )
