"""A folder in which ``spinn-edge`` is typed as a user types it, and what its bundles say."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorded import Figure
from safetensors.torch import load_file

from spinn_edge.report.markdown_text import cell

PROGRAM = str(Path(sys.executable).with_name("spinn-edge"))
TOLERANCE = 0.005
"""Of the share of parameters that is removed."""
MILLING_VARIABLE = "SPINN_EDGE_MILLING_DIR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command line that was typed.

    Attributes:
        words: what was typed after ``spinn-edge``.
        wall_s: from start to end of its process.
        code: exit code.
        said: all that it printed.
    """

    words: tuple[str, ...]
    wall_s: float
    code: int
    said: str

    @property
    def line(self) -> str:
        """As a user reads it."""
        return " ".join(["spinn-edge", *self.words])


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What one section found.

    Attributes:
        figures: wanted and measured.
        lines: tables and remarks in Markdown, below the figures.
    """

    figures: tuple[Figure, ...]
    lines: tuple[str, ...] = ()


class CommandFailedError(Exception):
    """A command left with another exit code than 0; its last words are the message."""


class Workshop:
    """A folder, the commands that were typed in it, and what must not be typed twice."""

    def __init__(self, folder: Path, *, seed: int = 0, milling: Path | None = None) -> None:
        """Type nothing yet.

        Args:
            folder: where commands run and write.
            seed: of data, weights and splits.
            milling: folder with ``train.csv`` of the real signals.
        """
        self.folder, self.seed, self.milling = folder, seed, milling
        self.commands: list[Command] = []

    def type(self, *words: str) -> Command:
        """Run a command line in the folder.

        Raises:
            CommandFailedError: it left with an exit code.
        """
        start = time.perf_counter()
        done = subprocess.run(
            [PROGRAM, *words],
            cwd=self.folder,
            check=False,
            capture_output=True,
            text=True,
        )
        command = Command(
            words=words,
            wall_s=time.perf_counter() - start,
            code=done.returncode,
            said=done.stdout + done.stderr,
        )
        self.commands.append(command)
        if command.code:
            last = " ".join(done.stderr.split()[-60:])
            raise CommandFailedError(f"{command.line} left with {command.code}: {last}")
        return command

    def once(self, name: str, *words: str) -> Command:
        """Run a command line that writes the bundle ``name``, unless it did before."""
        words = (*words, "--seed", str(self.seed), "--out", name)
        known = [command for command in self.commands if command.words == words]
        return known[0] if known else self.type(*words)

    def document(self, name: str) -> Any:
        """Return a JSON file of the folder."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def manifest(self, bundle: str) -> Any:
        """Return what a bundle says about itself."""
        return self.document(f"{bundle}/manifest.json")

    def weights_sha256(self, bundle: str) -> str:
        """Hash the weights of a bundle: the file as it lies there, not what its manifest claims."""
        (entry,) = [file for file in self.manifest(bundle)["files"] if file["format"] == "weights"]
        return hashlib.sha256((self.folder / bundle / entry["path"]).read_bytes()).hexdigest()

    def scores(self, bundle: str) -> dict[str, float]:
        """Return R² on held-out rows by target, and ``overall``."""
        scores = self.manifest(bundle)["training"]["scores"]
        return {**_numbers(scores["r2"]), "overall": _number(scores["r2_overall"])}

    def linear_scores(self, bundle: str) -> dict[str, float]:
        """Return the same of a linear regression on the same rows."""
        found = _numbers(self.manifest(bundle)["training"]["scores"]["linear_r2"])
        return {**found, "overall": sum(found.values()) / len(found)}

    def removed(self, bundle: str, dense: str) -> float:
        """Return the share of parameters that a bundle has less, by the tensors in its file."""
        return 1 - self._elements(bundle) / self._elements(dense)

    def _elements(self, bundle: str) -> int:
        (entry,) = [file for file in self.manifest(bundle)["files"] if file["format"] == "weights"]
        tensors = load_file(self.folder / bundle / entry["path"])
        return sum(tensor.numel() for tensor in tensors.values())


def score_figure(
    shop: Workshop, *, what: str, target: str, dense: str, pruned: str, allowed: float
) -> Figure:
    """Hold one R² of a pruned bundle against the dense one's."""
    before, after = shop.scores(dense)[target], shop.scores(pruned)[target]
    return Figure(
        name=f"{what}: R² of {target}, pruned against dense",
        wanted=f"≥ -{allowed:g}",
        measured=f"{after - before:+.4f} ({after:.4f}, dense {before:.4f}, linear regression "
        f"{shop.linear_scores(dense)[target]:.4f})",
        met=after - before >= -allowed,  # NaN is missed
    )


def removed_figure(shop: Workshop, *, what: str, target: float, pruned: str, dense: str) -> Figure:
    """Hold what is gone against what was asked for."""
    share = shop.removed(pruned, dense)
    return Figure(
        name=f"{what}: parameters removed, counted in the files of weights",
        wanted=f"{target:.1%} ± {100 * TOLERANCE:g} points",
        measured=f"{share:.2%}",
        met=abs(share - target) <= TOLERANCE,
    )


def unmeasured(name: str, wanted: str, reason: str, *, met: bool | None = False) -> Figure:
    """Return a figure that could not be taken; missed unless ``met`` is None."""
    return Figure(name=name, wanted=wanted, measured=cell(reason), met=met)


def commands_list(commands: Sequence[Command]) -> list[str]:
    """Return every command line with its wall time, as a block of Markdown."""
    return ["```", *(f"{one.line}  # {one.wall_s:.1f} s" for one in commands), "```"]


def _numbers(values: dict[str, float | None]) -> dict[str, float]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
