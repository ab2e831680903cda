"""What programs of this folder have in common when they write a result down."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinn_edge.bench.machine.environment import Environment
from spinn_edge.core.decode import encode
from spinn_edge.report.markdown_text import cell

RESULTS = Path(__file__).resolve().parent / "results"
_VERDICTS = {True: "met", False: "MISSED", None: "not measured"}
_TRADE_MARKS = re.compile(r"\((r|tm|c)\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of an acceptance table.

    Attributes:
        name: what.
        wanted: the limit, in words.
        measured: the value, in words; why there is none otherwise.
        met: None where it was not measured.
    """

    name: str
    wanted: str
    measured: str
    met: bool | None

    @property
    def line(self) -> str:
        """The table's line in Markdown."""
        return f"| {self.name} | {self.wanted} | {self.measured} | {_VERDICTS[self.met]} |"


FIGURES_HEAD = ("| figure | wanted | measured | |", "|---|---|---|---|")


def figures_table(figures: Iterable[Figure]) -> list[str]:
    """Return the lines of an acceptance table in Markdown."""
    return [*FIGURES_HEAD, *(figure.line for figure in figures)]


def machine_name(environment: Environment) -> str:
    """Return what a result's file is named after: ``Intel Xeon Processor, 2 cores``.

    Trade marks and what follows an ``@`` (a clock) are left out.
    """
    cpu = " ".join(_TRADE_MARKS.sub(" ", environment.cpu.partition("@")[0]).split())
    cores = "1 core" if environment.cores == 1 else f"{environment.cores} cores"
    return f"{cpu or 'unknown CPU'}, {cores}"


def machine_lines(
    environment: Environment, advice: Sequence[str] = (), versions: Mapping[str, str] | None = None
) -> list[str]:
    """Return the machine, the versions and what disturbed, in Markdown.

    Args:
        environment: the machine.
        advice: sentences of :func:`spinn_edge.bench.machine.noise_advice.noise_advice`.
        versions: of packages that ``environment`` does not ask for.
    """
    packages = {**environment.packages, **(versions or {})}
    named = ", ".join(f"{name} {version}" for name, version in packages.items())
    load = "not measured" if environment.load_1min is None else f"{environment.load_1min:g}"
    return [
        f"Machine: {cell(environment.cpu)}, {environment.cores} cores ({environment.affinity} "
        f"usable), load {load} at the start; {cell(environment.system)}; Python "
        f"{environment.python}; {named}.",
        "",
        *(f"- {cell(sentence)}" for sentence in advice),
    ]


def file_stem(kind: str, machine: str) -> str:
    """Return ``gpu-nvidia-test-9000`` of ``gpu`` and ``NVIDIA Test 9000``."""
    return f"{kind}-" + re.sub(r"[^a-z0-9]+", "-", machine.lower()).strip("-")


def without_samples(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with the number of raw samples in their place: megabytes in a repository."""
    counted = []
    for row in rows:
        kept = {key: value for key, value in row.items() if not key.endswith("samples_s")}
        taken = {
            f"{key.removesuffix('_s')}_taken": len(value)
            for key, value in row.items()
            if key.endswith("samples_s")
        }
        counted.append(kept | taken)
    return counted


def write_recorded(
    out: Path, kind: str, machine: str, document: Mapping[str, Any], page: Sequence[str]
) -> None:
    """Write ``<kind>-<machine>.json`` and ``.md`` into a folder, and say so.

    Args:
        out: folder; made where it is missing.
        kind: which program: ``gpu``, ``harness`` or ``peers``.
        machine: as people call it.
        document: for the JSON file.
        page: lines of the Markdown file.
    """
    out.mkdir(parents=True, exist_ok=True)
    stem = file_stem(kind, machine)
    text = json.dumps(encode(document), indent=2)
    (out / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
    (out / f"{stem}.md").write_text("\n".join(page).rstrip() + "\n", encoding="utf-8")
    print(f"wrote {out / stem}.json and .md")
