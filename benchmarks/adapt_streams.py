"""Streams that changed in known ways, and how the demo's pruned network follows each of them.

    spinn-edge demo --out demo-output
    python benchmarks/adapt_streams.py demo-output

Prints the table of docs/adaptation.md. Rows come in the order of the test file, tool by tool.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spinn_edge.core.adaptation_record import AdaptationSettings
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.export.adapted import follow, why_not_better
from spinn_edge.report.adaptation import gain_words
from spinn_edge.training import OnlineAdapter
from spinn_edge.training.adaptation.stream import pair_batches
from spinn_edge.training.dataset import Floats, Rows, load_rows

Change = Callable[[Rows, Floats], Rows]
"""Makes a stream from measured rows and the standard deviation of each target."""

NORMAL, WIDE = AdaptationSettings(), AdaptationSettings(drift_limit=0.2)


def main(folder: Path) -> None:
    """Print a line for each stream."""
    bundle = Bundle.load(folder / "pruned")
    for name, settings, change in STREAMS:
        for layers in (1, 2):
            chosen = AdaptationSettings(drift_limit=settings.drift_limit, layers=layers)
            adapter = OnlineAdapter.of_bundle(bundle, chosen)
            subject = adapter.subject
            recipe = DataRecipe(features=subject.features, targets=subject.targets)
            rows = change(load_rows(folder / "data" / "test.csv", recipe), subject.unit)
            pairs = [(rows.features, rows.targets)]
            columns = len(subject.features), len(subject.targets)
            follow(
                adapter,
                pair_batches(pairs, features=columns[0], targets=columns[1], size=chosen.batch),
            )
            record = adapter.record(source=name)
            verdict = "refused" if why_not_better(record) else "written"
            print(
                f"{name}, --layers {layers}, --drift-limit {chosen.drift_limit:g}: "
                f"{record.rows_learnt} of {record.rows_seen} rows learnt, "
                f"{record.rows_taken_back} taken back; {gain_words(record)}; {verdict}"
            )


def _off_by(share: float) -> Change:
    return lambda rows, unit: Rows(features=rows.features, targets=rows.targets + share * unit)


def _creeping(rows: Rows, unit: Floats) -> Rows:
    creep = np.linspace(0, 0.3, len(rows))[:, None] * unit
    return Rows(features=rows.features, targets=rows.targets + creep)


def _force_sensor(rows: Rows, unit: Floats) -> Rows:
    features = rows.features.copy()
    features[:, 6] *= 1.1  # force_x_n
    return Rows(features=features, targets=rows.targets)


def _other_rows(rows: Rows, unit: Floats) -> Rows:
    order = np.random.default_rng(0).permutation(len(rows))
    return Rows(features=rows.features, targets=rows.targets[order])


STREAMS: tuple[tuple[str, AdaptationSettings, Change], ...] = (
    ("no change", NORMAL, lambda rows, unit: rows),
    ("off by 0.2 deviations", NORMAL, _off_by(0.2)),
    ("off by 0.5 deviations", WIDE, _off_by(0.5)),
    ("creeping from 0 to 0.3 deviations", NORMAL, _creeping),
    (
        "targets 10 % too large",
        NORMAL,
        lambda rows, unit: Rows(features=rows.features, targets=1.1 * rows.targets),
    ),
    ("a force sensor 10 % too large", NORMAL, _force_sensor),
    ("targets of other rows", NORMAL, _other_rows),
)

if __name__ == "__main__":
    main(Path(sys.argv[1]))
