"""What a report is made of: results, bundles, and documents of other commands, read and checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinn_edge.bench.machine.environment import Environment
from spinn_edge.bench.machine.machine_class import MachineClass
from spinn_edge.bench.regression.stored import is_result, read_document, result_of
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, UsageError
from spinn_edge.core.tensors import Array
from spinn_edge.report.beside_results import (
    check_explanation,
    check_validation,
    check_verification,
    check_waterfall,
)
from spinn_edge.report.recommendations import recorded_differences
from spinn_edge.report.timed_bundles import untimed_notes

_CHECKS = {
    "waterfalls": check_waterfall,
    "verifications": check_verification,
    "explanations": check_explanation,
    "validations": check_validation,
}

_KINDS = {
    "waterfalls": {"reference", "steps", "outputs", "scale"},
    "verifications": {"bundle", "checks", "skipped", "batch_checks"},
    "explanations": {"runtime", "roofline", "floor", "threads", "widths"},
    "validations": {"samples", "score", "outputs", "reasons"},
}
"""Keys by which a document is told, under the field of :class:`ReportSources` that takes it."""

FLEET = "fleet"
"""The ``kind`` of results that were merged."""

FLEET_SCHEMA_VERSION = 1

_EXPECTED = "what spinn-edge bench, waterfall, verify, explain or validate wrote with --json FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedResult:
    """One result of ``spinn-edge bench``.

    Attributes:
        name: of its file, without the suffix; with folders where two files have one name.
        machine: processor and GPU, in words.
        result: checked and decoded; every figure of a report comes from it.
        raw: the JSON document as it was read.
    """

    name: str
    machine: str
    result: BenchResult
    raw: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, result: BenchResult, raw: Mapping[str, Any]) -> NamedResult:
        """Name the machine after the result's environment."""
        return cls(name=name, machine=machine_label(result.environment), result=result, raw=raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDocument:
    """A document of another command.

    Attributes:
        name: of its file, as for :class:`NamedResult`.
        raw: the JSON document as it was read.
    """

    name: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What bundles predict for labelled rows.

    Attributes:
        targets: names of the columns.
        measured: shape (rows, targets), target units.
        predicted: likewise, by bundle name.
        source: which rows these are, in words.
    """

    targets: tuple[str, ...]
    measured: Array
    predicted: Mapping[str, Array]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSources:
    """Everything that a report may show. What is empty was not given, and is not drawn.

    Attributes:
        results: at least one, in the order given; machines are never averaged.
        bundles: the baseline's first, where a result knows one.
        waterfalls: documents of ``spinn-edge waterfall --json``.
        verifications: of ``spinn-edge verify --json``.
        explanations: of ``spinn-edge explain --json``.
        validations: of ``spinn-edge validate --json``.
        predictions: of labelled rows; None where no data was given.
        notes: what else must be said with the results, a sentence each.
    """

    results: tuple[NamedResult, ...]
    bundles: tuple[Bundle, ...] = ()
    waterfalls: tuple[NamedDocument, ...] = ()
    verifications: tuple[NamedDocument, ...] = ()
    explanations: tuple[NamedDocument, ...] = ()
    validations: tuple[NamedDocument, ...] = ()
    predictions: Predictions | None = None
    notes: tuple[str, ...] = ()


def read_sources(paths: Sequence[Path], bundles: Sequence[Path] = ()) -> ReportSources:
    """Read documents, whose kind their keys tell, and bundles.

    Args:
        paths: JSON files that commands wrote; one at least is a result of ``spinn-edge bench``.
        bundles: folders.

    Raises:
        UsageError: a file cannot be read, is no document of ours or damaged, none is a result, or
            one was given twice.
            Or a bundle is not the model that was timed under its name.
        BundleError: a folder is no bundle.
    """
    _refuse_twice("documents", [os.path.realpath(path) for path in paths])
    found: dict[str, list[NamedDocument]] = {kind: [] for kind in _KINDS}
    results: list[NamedResult] = []
    notes: list[str] = []
    for name, path in zip(_names(paths), paths, strict=True):
        raw = read_document(path, f"expected {_EXPECTED}")
        if is_result(raw):
            results.append(_result(name, raw, path))
        elif isinstance(raw, dict) and raw.get("kind") == FLEET:
            results += _merged(raw, path)
        else:
            kind = _kind(raw, path)
            notes += _told(kind, raw, path)
            found[kind].append(NamedDocument(name=name, raw=raw))
    _refuse_twice("results named", [named.name for named in results])
    if not results:
        given = ", ".join(map(str, paths)) or "no file"
        raise UsageError(
            f"{given}: expected a result of spinn-edge bench among them; write one with: "
            "spinn-edge bench MODEL --json results.json"
        )
    loaded = _ordered([Bundle.load(path) for path in bundles], results)
    return ReportSources(
        results=tuple(results),
        bundles=loaded,
        waterfalls=tuple(found["waterfalls"]),
        verifications=tuple(found["verifications"]),
        explanations=tuple(found["explanations"]),
        validations=tuple(found["validations"]),
        notes=(*notes, *untimed_notes(loaded, _timed(results))),
    )


def _result(name: str, raw: Mapping[str, Any], path: Path) -> NamedResult:
    """Return a result whose every part can be shown.

    Raises:
        UsageError: it is damaged.
    """
    result = result_of(raw, path)
    try:
        recorded_differences(raw)
    except BundleError as exc:
        raise UsageError(f"{path} is a damaged result: {exc}; measure again") from exc
    return NamedResult.of(name, result, raw)


def _told(kind: str, raw: Mapping[str, Any], path: Path) -> list[str]:
    """Return what is to be said of a document that no figure shows.

    Raises:
        UsageError: it is damaged.
    """
    try:
        words = _CHECKS[kind](raw, str(path))
    except (BundleError, OverflowError) as exc:
        raise UsageError(f"{exc}; the document is damaged: write it again with --json") from exc
    return [words] if words else []


def _merged(raw: Mapping[str, Any], path: Path) -> list[NamedResult]:
    """Return what ``spinn-edge report A.json B.json --json`` merged.

    Raises:
        UsageError: another version wrote it, or a part of it is no result.
    """
    version = raw.get("schema_version")
    if type(version) is not int or version != FLEET_SCHEMA_VERSION:  # True is 1, and so is 1.0
        raise UsageError(
            f"{path} has schema version {version!r:.40}, expected {FLEET_SCHEMA_VERSION}; merge "
            "again with this spinn-edge: spinn-edge report A.json B.json --json FILE"
        )
    found = []
    parts = raw.get("results")
    for part in parts if isinstance(parts, list) else [None]:
        fields: dict[str, Any] = part if isinstance(part, dict) else {}
        held, name = fields.get("result"), fields.get("name")
        if not isinstance(held, dict) or not is_result(held) or not isinstance(name, str):
            raise UsageError(f"{path} holds merged results, one of which is damaged; merge again")
        found.append(_result(name, held, path))
    return found


def machine_label(environment: Environment) -> str:
    """Return ``Intel Xeon, 2 cores``, and the GPU where there is one."""
    machine = MachineClass.of(environment)
    cores = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    gpu = "" if machine.gpu == "none" else f", {machine.gpu}"
    return f"{machine.cpu}, {cores}{gpu}"


def _kind(raw: Any, path: Path) -> str:
    """Return the field that takes a document.

    Raises:
        UsageError: no field does.
    """
    held = set(raw) if isinstance(raw, dict) else set()
    for kind, keys in _KINDS.items():
        if keys <= held:
            return kind
    what = f"an object with {', '.join(sorted(held)[:6]) or 'no keys'}" if held else "no object"
    raise UsageError(f"{path} holds {what:.200}, which no report knows; expected {_EXPECTED}")


def _names(paths: Sequence[Path]) -> list[str]:
    """Return names of files without their suffix, with as many folders as tell them apart."""
    parts = [path.absolute().with_suffix("").parts for path in paths]
    deepest = max(map(len, parts), default=0)
    names = ["/".join(part[-1:]) for part in parts]
    for depth in range(2, deepest + 1):
        longer = ["/".join(part[-depth:]) for part in parts]
        names = [
            more if names.count(name) > 1 else name
            for name, more in zip(names, longer, strict=True)
        ]
    return names if len(set(names)) == len(names) else [path.name for path in paths]


def _ordered(bundles: Sequence[Bundle], results: Sequence[NamedResult]) -> tuple[Bundle, ...]:
    """Return the bundles, baselines first.

    Raises:
        UsageError: two have one name, which figures could not tell apart.
    """
    _refuse_twice("bundles named", [bundle.name for bundle in bundles])
    baselines = {facts.name for facts in _timed(results) if facts.baseline}
    return tuple(sorted(bundles, key=lambda bundle: bundle.name not in baselines))


def _timed(results: Sequence[NamedResult]) -> list[BundleFacts]:
    return [facts for named in results for facts in named.result.bundles]


def _refuse_twice(what: str, given: Sequence[object]) -> None:
    for item in given:
        if given.count(item) > 1:
            raise UsageError(f"two {what} {item}; expected each once: leave one out, or rename it")
