"""Real signals: the NASA milling data, split by tool, through the command line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pruning_shop import (
    MILLING_VARIABLE,
    Section,
    Workshop,
    removed_figure,
    score_figure,
    unmeasured,
)
from recorded import Figure

from spinn_edge.demo.tour import FULL

TARGETS = "tool_wear,thermal_displacement"
WEAR, GROUP = "tool_wear", "experiment_id"
ALLOWED = 0.01
FOLDS = 4
FINETUNE_RATE = 2e-4
"""A fifth of the rate that trained the dense network: at the full one, each round of pruning would
learn its few tools by heart anew."""
WAYS = ("dense", "pruned", "pruned at the default rate", "linear regression")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Scores on tools that neither trained a network nor chose its weights.

    Attributes:
        tools: that were held out.
        rows: of theirs.
        variance: sum of squared deviations of their wear from its mean, mm².
        r2: of wear, for each of ``WAYS``.
    """

    tools: tuple[str, ...]
    rows: int
    variance: float
    r2: dict[str, float]

    @property
    def line(self) -> str:
        """The table's line in Markdown."""
        scores = " | ".join(f"{self.r2[way]:.4f}" for way in WAYS)
        return f"| {', '.join(self.tools)} | {self.rows:,} | {scores} |"


FOLDS_HEAD = (
    f"| tools held out | rows | {' | '.join(WAYS)} |",
    f"|---|---|{'---|' * len(WAYS)}",
)


def real(shop: Workshop) -> Section:
    """Prune what learnt real signals; scores on tools that are held out.

    Twice: as README does, on the tools that also chose the best epoch; and over folds, so that
    every tool is scored once by networks that never saw it.
    """
    if shop.milling is None:
        reason = f"no data: name its folder with --milling or {MILLING_VARIABLE}"
        name = f"NASA milling: R² of {WEAR} at {FULL.target:.1%}"
        return Section(figures=(unmeasured(name, f"≥ -{ALLOWED:g}", reason, met=None),))
    data = shop.folder / "nasa"
    data.mkdir(exist_ok=True)
    train = data / "train.csv"
    if not train.exists():
        train.symlink_to((shop.milling / "train.csv").resolve())
    dense, pruned, default = _prune(shop, "nasa", "nasa/train.csv", ())
    what = f"NASA milling, {FULL.target:.1%}, tools that also chose the best epoch"
    folds = [_fold(shop, number, train) for number in range(FOLDS)]
    everyone = [float(row[WEAR]) for row in read_rows(train)[1]]
    return Section(
        figures=(
            removed_figure(
                shop, what="NASA milling", target=FULL.target, pruned=pruned, dense=dense
            ),
            score_figure(shop, what=what, target=WEAR, dense=dense, pruned=pruned, allowed=ALLOWED),
            pooled_figure(folds, squared_deviations(everyone)),
        ),
        lines=(
            f"- At the default rate, on tools that also chose the best epoch: R² of {WEAR} "
            f"{shop.scores(default)[WEAR]:.4f} pruned.",
            f"- R² of {WEAR} on tools that neither trained a network nor chose its weights (but "
            f"--lr {FINETUNE_RATE:g} was chosen on them, out of it and the default):",
            "",
            *FOLDS_HEAD,
            *(fold.line for fold in folds),
        ),
    )


def pooled_figure(folds: Sequence[Fold], variance: float) -> Figure:
    """Hold R² over all folds' rows at once against the dense one's.

    Args:
        folds: each row of the table in one of them.
        variance: sum of squared deviations of all rows from their mean, mm².
    """
    pooled = {
        way: 1 - sum((1 - fold.r2[way]) * fold.variance for fold in folds) / variance
        for way in WAYS
    }
    difference = pooled["pruned"] - pooled["dense"]
    others = ", ".join(f"{way} {pooled[way]:.4f}" for way in WAYS if way != "pruned")
    return Figure(
        name=f"NASA milling, {FULL.target:.1%}, every tool once, in {len(folds)} folds: R² of "
        f"{WEAR}, pruned against dense",
        wanted=f"≥ -{ALLOWED:g}",
        measured=f"{difference:+.4f} ({pooled['pruned']:.4f}, {others})",
        met=difference >= -ALLOWED,
    )


def _fold(shop: Workshop, number: int, train: Path) -> Fold:
    head, rows = read_rows(train)
    tools = sorted({row[GROUP] for row in rows}, key=float)[number::FOLDS]
    fit, test = (f"nasa/{part}-{number}.csv" for part in ("fit", "test"))
    held_out = [row for row in rows if row[GROUP] in tools]
    write_rows(shop.folder / test, head, held_out)
    write_rows(shop.folder / fit, head, [row for row in rows if row[GROUP] not in tools])
    bundles = _prune(shop, f"nasa-{number}", fit, ("--test", test))
    learnt = [shop.scores(bundle)[WEAR] for bundle in bundles]
    linear = shop.linear_scores(bundles[0])[WEAR]
    return Fold(
        tools=tuple(tools),
        rows=len(held_out),
        variance=squared_deviations([float(row[WEAR]) for row in held_out]),
        r2=dict(zip(WAYS, [*learnt, linear], strict=True)),
    )


def _prune(shop: Workshop, name: str, data: str, test: Sequence[str]) -> tuple[str, str, str]:
    """Return the bundles of the first three of ``WAYS``."""
    dense, pruned, default = f"{name}-dense", f"{name}-pruned", f"{name}-default"
    shop.once(
        dense,
        *("train", "--data", data, *test, "--targets", TARGETS),
        *("--group", GROUP, "--epochs", str(FULL.epochs)),
    )
    for bundle, rate in ((pruned, ("--lr", f"{FINETUNE_RATE:g}")), (default, ())):
        shop.once(
            bundle,
            *("prune", dense, "--data", data, *test, "--target", f"{FULL.target:g}"),
            *("--rounds", str(FULL.rounds), "--finetune-epochs", str(FULL.finetune_epochs)),
            *rate,
        )
    return dense, pruned, default


def squared_deviations(values: Sequence[float]) -> float:
    """Return the sum of squared deviations from the mean, in the square of their unit."""
    return float(np.square(np.asarray(values) - np.mean(values)).sum())


def read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the head and the rows of a CSV file, as text."""
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        rows = list(reader)
    return list(reader.fieldnames or ()), rows


def write_rows(path: Path, head: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    """Write rows as they were read."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, head)
        writer.writeheader()
        writer.writerows(rows)
