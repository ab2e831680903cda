"""What files really hold: types of layers and weights, and what the task lost, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spinn_edge.accuracy.precision.truth import Claim
from spinn_edge.core.manifest import FileEntry


def layer_words(entry: FileEntry) -> str:
    """Return ``9 fp16`` for a file whose layers were counted, and whether an engine told."""
    counted = _counts(entry.details.get("layers"))
    kinds = ", ".join(f"{number} {kind}" for kind, number in counted.items() if number)
    seen = str(entry.details.get("layers_counted_from", "")).startswith("engine inspector")
    return f"{kinds}, seen in the engine" if kinds and seen else kinds


def weight_words(entry: FileEntry) -> str:
    """Return ``95 % int8, 5 % fp32``: the share of the weights' bytes in each type."""
    counted = _counts(entry.details.get("weight_bytes"))
    total = sum(counted.values())
    return ", ".join(
        f"{_percent(number / total)} {kind}"
        for kind, number in sorted(counted.items(), key=lambda item: -item[1])
        if number
    )


def task_remarks(entry: FileEntry) -> tuple[str, ...]:
    """Say what a file of lower precision lost of the task, or that parity alone was checked."""
    task = entry.details.get("task_score")
    if not isinstance(task, Mapping):
        return ()
    if not task.get("rows"):
        return (
            "parity was checked, the task score was not: no rows with targets "
            "(--data or --test CSV, for a model that spinn-edge train made)",
        )
    lost = ", ".join(f"{name} {value:+.2g}" for name, value in task["r2_loss"].items())
    return (f"R² lost on {task['rows']}: {lost}; allowed {task['limit']:g} each",)


def claim_remarks(claims: Sequence[Claim]) -> list[str]:
    """Say which files hold what they claim, which do not, and which could not be looked into."""
    lines = []
    for claim in claims:
        if claim.holds is None:
            lines.append(f"{claim.path}, {claim.precision}: {claim.reason}")
        elif claim.holds:
            layers = ", ".join(f"{n} {kind}" for kind, n in claim.layers.items() if n)
            total = sum(claim.weight_bytes.values())
            share = claim.weight_bytes.get(claim.precision, 0) / total if total else None
            weights = "" if share is None else f"; {_percent(share)} of weight bytes"
            lines.append(f"{claim.path} is in {claim.precision}: layers {layers}{weights}")
        else:
            lines.append(f"precision: {claim.reason}")
    return lines


def _percent(share: float) -> str:
    """Return a share so that no part is rounded away to nothing or to all."""
    shown = round(100 * share)
    if (shown == 100 and share < 1) or (shown == 0 and share > 0):
        return f"{100 * share:.2g} %" if share < 0.5 else f"{int(1000 * share) / 10:g} %"
    return f"{shown} %"


def _counts(value: Any) -> Mapping[str, int]:
    # details are free: another version may write others
    return value if isinstance(value, Mapping) else {}
