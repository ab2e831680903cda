"""Which hidden widths this machine likes: multiples of 1, 8, 16 and 32, tried on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spinn_edge.bench.evidence.intervals import FASTER
from spinn_edge.bench.evidence.paired_rows import at_batch, beside, latency_s
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.contenders import Contender, Schedule, time_contenders
from spinn_edge.bench.understanding.width_variants import WidthVariants
from spinn_edge.core.decode import encode
from spinn_edge.core.errors import PruningError
from spinn_edge.core.manifest import Manifest
from spinn_edge.pruning.targets.mlp_plan import count_parameters, plan_mlp
from spinn_edge.runtimes.base import OpenOptions

MULTIPLES = (1, 8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """Hidden widths as multiples of a number.

    Attributes:
        multiple: that number.
        widths: input width, hidden widths, output width; empty where no such widths exist.
        unreachable: why none exist; else empty.
    """

    multiple: int
    widths: tuple[int, ...] = ()
    unreachable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthTrial:
    """One rounding at one batch size.

    Attributes:
        rounding: what was tried.
        parameters: of the network; None where there is none.
        row: its timing, speed-up over the widths as they are; None where they are these widths, or
            where none exist.
    """

    rounding: Rounding
    parameters: int | None
    row: Row | None

    def to_json(self) -> dict[str, Any]:
        """Return the rounding and its timing."""
        return {
            "multiple": self.rounding.multiple,
            "widths": list(self.rounding.widths) or None,
            "unreachable": self.rounding.unreachable or None,
            "parameters": self.parameters,
            "latency_s": None if self.row is None else latency_s(self.row),
            "row": encode(self.row),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthAdvice:
    """What was tried at one batch size.

    Attributes:
        batch: samples in one inference.
        widths: of the bundle: input width, hidden widths, output width.
        parameters: likewise.
        pruned: widths come from the pruning command, by the bundle's own target, so that its
            ``--round-to`` gives them; else every hidden width goes to its nearest multiple.
        own: the network with the widths as they are; None where nothing else was to be timed.
        trials: one for each of ``MULTIPLES``.
    """

    batch: int
    widths: tuple[int, ...]
    parameters: int
    pruned: bool
    own: Row | None
    trials: tuple[WidthTrial, ...]

    @property
    def best(self) -> WidthTrial | None:
        """The fastest of those that beat the widths as they are beyond the noise; None if none."""
        faster = [t for t in self.trials if t.row is not None and t.row.verdict == FASTER]
        return max(faster, key=_speedup, default=None)

    def to_json(self) -> dict[str, Any]:
        """Return what was tried and what follows."""
        best = self.best
        return {
            "batch": self.batch,
            "widths": list(self.widths),
            "parameters": self.parameters,
            "pruned": self.pruned,
            "best_multiple": None if best is None else best.rounding.multiple,
            "latency_s": None if self.own is None else latency_s(self.own),
            "own": encode(self.own),
            "trials": encode(self.trials),
        }


def roundings(manifest: Manifest) -> tuple[Rounding, ...]:
    """Return the widths that each of ``MULTIPLES`` would give.

    Of a bundle that was pruned, what ``spinn-edge prune --round-to`` gives for the same original
    and target: as many parameters as the target leaves, so widths go up and down. Of any other, the
    nearest multiple, at least one, as the first step of that command does it.

    Args:
        manifest: of an MLP.
    """
    return tuple(_rounding(manifest, multiple) for multiple in MULTIPLES)


def was_pruned(manifest: Manifest) -> bool:
    """Tell whether the manifest says how its present widths were pruned."""
    audit = manifest.pruning
    return audit is not None and (
        tuple(layer.after for layer in audit.layers) == manifest.architecture.widths[1:-1]
    )


def advise_widths(
    manifest: Manifest,
    variants: WidthVariants,
    schedule: Schedule,
    *,
    runtime: str,
    options: OpenOptions,
    on_launch: Callable[[Contender, int], None] = lambda contender, launch: None,
) -> tuple[WidthAdvice, ...]:
    """Time a network with its widths rounded, beside the widths as they are.

    All of them have random weights, the widths as they are too.

    Args:
        manifest: of the bundle, an MLP.
        variants: makes the networks.
        schedule: batch sizes, launches, rules; one boundary.
        runtime: name from the registry.
        options: how it opens a bundle.
        on_launch: see :func:`spinn_edge.bench.processes.contenders.time_contenders`.

    Returns:
        One finding for each batch size, in their order.

    Raises:
        ExportError: a network could not be written or proved.
        MissingDependencyError: torch, or what writes the runtime's format, is not installed.
    """
    found = roundings(manifest)
    own = variants.widths
    tried = tuple(dict.fromkeys((own, *(r.widths for r in found if r.widths))))
    rows: dict[tuple[int, ...], list[Row]] = {}
    if len(tried) > 1:
        made = [variants.at(widths[1:-1]) for widths in tried]
        contenders = [
            Contender(label=item.name, bundle=item, runtime=runtime, options=options)
            for item in made
        ]
        timed = time_contenders(contenders, schedule, on_launch=on_launch)
        rows = dict(zip(tried, timed, strict=True))
    return tuple(_advice(manifest, own, found, rows, batch) for batch in schedule.batches)


def _rounding(manifest: Manifest, multiple: int) -> Rounding:
    widths = manifest.architecture.widths
    audit = manifest.pruning
    if audit is None or not was_pruned(manifest):
        hidden = (max(multiple, multiple * round(width / multiple)) for width in widths[1:-1])
        return Rounding(multiple=multiple, widths=(widths[0], *hidden, widths[-1]))
    if multiple == audit.round_to:
        return Rounding(multiple=multiple, widths=widths)
    original = (widths[0], *(layer.before for layer in audit.layers), widths[-1])
    try:
        plans = plan_mlp(
            original, target=audit.requested, rounds=1, round_to=multiple, tolerance=None
        )
    except PruningError as exc:
        return Rounding(multiple=multiple, unreachable=str(exc))
    return Rounding(multiple=multiple, widths=plans[-1].widths)


def _advice(
    manifest: Manifest,
    own: tuple[int, ...],
    found: tuple[Rounding, ...],
    rows: dict[tuple[int, ...], list[Row]],
    batch: int,
) -> WidthAdvice:
    reference = at_batch(rows[own], batch) if rows else None
    trials = [
        WidthTrial(
            rounding=rounding,
            parameters=count_parameters(rounding.widths) if rounding.widths else None,
            row=(
                None
                if reference is None or rounding.widths in ((), own)
                else beside(at_batch(rows[rounding.widths], batch), reference)
            ),
        )
        for rounding in found
    ]
    return WidthAdvice(
        batch=batch,
        widths=own,
        parameters=count_parameters(own),
        pruned=was_pruned(manifest),
        own=reference,
        trials=tuple(trials),
    )


def _speedup(trial: WidthTrial) -> float:
    return (trial.row.speedup if trial.row is not None else None) or 0.0
