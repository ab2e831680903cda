"""Requests that no widths can meet, refused in words that say what can be met."""

from __future__ import annotations

import math
from collections.abc import Sequence

from spinn_edge.core.errors import PruningError
from spinn_edge.core.words import dashed
from spinn_edge.pruning.targets.amounts import Amount
from spinn_edge.pruning.targets.limits import Bound
from spinn_edge.pruning.targets.solving import steps_between

_MOST_WIDTHS = 12
"""More widths than these make no sentence."""


def check_request(
    amount: Amount,
    original: Sequence[int],
    bounds: Sequence[Bound],
    shares: Sequence[float],
    *,
    slack: float,
    exact: bool,
) -> None:
    """Refuse rounds that are none, or whose last share lies beyond what the bounds allow.

    Args:
        amount: of the quantity.
        original: channels of each group.
        bounds: of each group.
        shares: to be gone after each round.
        slack: by how much a share may lie beyond what can be reached.
        exact: the last share has to be met; else the nearest widths do, even where ``round_to``
            alone removes more.

    Raises:
        PruningError: says what can be reached, and which layer holds the rest.
    """
    _check_shares(shares)
    if not original:
        raise PruningError(
            f"no layer of the network can be pruned{_left_alone(amount)}; a target needs one"
        )
    if not amount.total:
        raise PruningError(f"the network has no {amount.name} to remove; ask for --by parameters")
    check_share(amount, bounds, shares[-1], slack=slack, exact=exact)
    steps = sum(
        math.ceil((width - bound.floor) / bound.step)
        for width, bound in zip(original, bounds, strict=True)
    )
    if len(shares) > steps:
        raise PruningError(
            f"{len(shares)} rounds asked for; layers of widths {widths_in_words(original)} allow "
            f"1 to {steps}, one step of removal a round"
        )


def check_share(
    amount: Amount, bounds: Sequence[Bound], share: float, *, slack: float, exact: bool
) -> None:
    """Refuse a share that lies beyond what the bounds allow; arguments as above.

    Raises:
        PruningError: says what can be reached, and which layer holds the rest.
    """
    floors = [bound.floor for bound in bounds]
    most = 1 - amount.count(floors) / amount.total
    if share > most + slack:
        raise PruningError(
            f"{share:.1%} of the {amount.name} cannot be removed: at most {most:.1%} can, with "
            f"layers at {widths_in_words(floors)}; {_holders(amount, bounds, floors)}. Ask for "
            f"--target {math.floor(most * 1000) / 1000:.3f} or less, or allow more"
        )
    ceilings = [bound.ceiling for bound in bounds]
    least = 1 - amount.count(ceilings) / amount.total
    if (exact or not steps_between(bounds)) and share < least - slack:
        raise PruningError(
            f"{share:.1%} of the {amount.name} are to be removed, but the widths that were asked "
            f"for ({widths_in_words(ceilings)} at most) remove {least:.1%}; ask for --target "
            f"{math.ceil(least * 1000) / 1000:.3f} or more, or for wider layers"
        )


def check_reached(
    achieved: float, widths: Sequence[int], target: float, tolerance: float | None
) -> None:
    """Refuse widths that are not near enough to the target.

    Raises:
        PruningError: says what they reach.
    """
    if tolerance is None or abs(achieved - target) <= tolerance:
        return
    raise PruningError(
        f"widths near a common ratio reach {achieved:.2%} ({widths_in_words(widths)}), not "
        f"{target:.2%} within {tolerance:.2%}: the network is too small for such steps; "
        f"ask for --target {achieved:.4f} or allow a wider --tolerance"
    )


def widths_in_words(widths: Sequence[int]) -> str:
    """Return ``285-285-142``, or how many there are and between which."""
    if len(widths) <= _MOST_WIDTHS:
        return dashed(widths)
    return f"{min(widths)} to {max(widths)} ({len(widths)} layers)"


def _check_shares(shares: Sequence[float]) -> None:
    if not shares:
        raise PruningError("0 rounds asked for; expected at least 1")
    for share in shares:
        if not 0 < share < 1:
            raise PruningError(
                f"the target is a share to remove, above 0 and below 1; got {share:g}; "
                "for 68.5 % write 0.685"
            )
    if list(shares) != sorted(set(shares)):
        raise PruningError(
            "the shares to be gone after each round must rise; got "
            + ", ".join(f"{share:.4g}" for share in shares)
        )


def _holders(amount: Amount, bounds: Sequence[Bound], floors: Sequence[int]) -> str:
    """Say which layer holds most of what stays, and which of those that were kept on purpose."""
    held = amount.holdings(floors)
    reasons = {layer: _reason(layer, amount, bounds) for layer in held}
    layers = list(held)[:1] + [layer for layer in held if reasons[layer]][:1]
    return ", ".join(
        f"'{layer}'{reasons[layer]} holds {held[layer] / amount.total:.1%}"
        for layer in dict.fromkeys(layers)
    )


def _reason(layer: str, amount: Amount, bounds: Sequence[Bound]) -> str:
    for alone in amount.left_alone:
        if layer == alone.name or layer.startswith(f"{alone.name}."):
            return f" (left alone: {alone.reason})"
    for bound in bounds:
        if bound.reason and layer in bound.name.split("+"):
            return f" ({bound.reason})"
    return ""


def _left_alone(amount: Amount) -> str:
    if not amount.left_alone:
        return ""
    return " (" + "; ".join(f"'{a.name}': {a.reason}" for a in amount.left_alone[:3]) + ")"
