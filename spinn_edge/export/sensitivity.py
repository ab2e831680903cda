"""Which products may be in int8: those that harm most when quantised alone stay float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from spinn_edge.accuracy.precision.type_counts import LEAST_SHARE
from spinn_edge.core.errors import ExportError


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was measured of one graph.

    Attributes:
        error: largest error over scale of any output channel; infinite for NaN and Inf.
        fault: what is beyond its limit, in words; None where the graph is good.
    """

    error: float
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Products that are quantised, and why not all of them.

    Attributes:
        quantised: names, in graph order.
        left_out: names, the most harmful first.
        error: of the graph so made, see :class:`Verdict`.
        alone: error of a graph in which nothing but that product is quantised, by name; empty where
            all could be quantised, and nothing was scanned.
    """

    quantised: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    error: float = 0.0
    alone: Mapping[str, float] = field(default_factory=dict)


def choose_products(
    sizes: Mapping[str, int], judge: Callable[[tuple[str, ...]], Verdict]
) -> Choice:
    """Quantise all products, or leave the most harmful ones out until the graph is good.

    Args:
        sizes: numbers in the weights of each product, by name, in graph order.
        judge: quantises the named products, and measures.

    Raises:
        ExportError: it is not good even with ``LEAST_SHARE`` of the weights left in int8; names the
            products, what was measured, and what to try.
    """
    names = tuple(sizes)
    verdict = judge(names)
    if verdict.fault is None:
        return Choice(quantised=names, error=verdict.error)
    alone = {name: judge((name,)).error for name in names}
    left_out: list[str] = []
    for worst in sorted(names, key=lambda name: alone[name], reverse=True):
        left_out.append(worst)
        kept = tuple(name for name in names if name not in left_out)
        if sum(sizes[name] for name in kept) < LEAST_SHARE * sum(sizes.values()):
            break
        verdict = judge(kept)
        if verdict.fault is None:
            return Choice(
                quantised=kept, left_out=tuple(left_out), error=verdict.error, alone=alone
            )
    tried = ", ".join(f"{name} (alone {alone[name]:.2g} of scale)" for name in left_out)
    raise ExportError(
        f"no int8 file of this form is good: {verdict.fault}. Most harmful: {tried}; with these in "
        f"fp32 less than {LEAST_SHARE:.0%} of the weights would be int8. Try another form (--int8 "
        "static, dynamic or weight-only), give rows like those that the model will see with --data "
        "CSV, or leave int8 out of --precision"
    )
