"""Whether the bundles beside results are the models that were timed."""

from __future__ import annotations

from collections.abc import Sequence

from spinn_edge.bench.result import BundleFacts
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.core.words import dashed


def untimed_notes(bundles: Sequence[Bundle], timed: Sequence[BundleFacts]) -> list[str]:
    """Return which bundles no result is of, a sentence each.

    Args:
        bundles: what was given beside the results.
        timed: what all results say of their models.

    Raises:
        UsageError: a bundle has the name of one that was timed, and is another model.
    """
    said = []
    for bundle in bundles:
        named = [facts for facts in timed if facts.name == bundle.name]
        if not named:
            said.append(f"no result is of bundle {bundle.name}, so nothing here is its latency")
            continue
        is_now = BundleFacts.of(bundle, bundle.name, baseline=False)
        if not any(_is_same(is_now, then) for then in named):
            raise UsageError(
                f"{bundle.root} is not the model that was timed as '{bundle.name}': "
                f"{_size(is_now)}, expected {_size(named[0])}; name the folder that was timed, or "
                "measure again with: spinn-edge bench"
            )
    return said


def _is_same(one: BundleFacts, other: BundleFacts) -> bool:
    """Tell whether nothing that both know of a model differs."""
    known = (
        (one.widths, other.widths),
        (one.parameters, other.parameters),
        (one.flops_per_sample, other.flops_per_sample),
    )
    return all(a == b for a, b in known if a and b)


def _size(facts: BundleFacts) -> str:
    widths = f", widths {dashed(facts.widths)}" if facts.widths else ""
    count = "unknown" if facts.parameters is None else f"{facts.parameters:,}"
    return f"parameters {count}{widths}"
