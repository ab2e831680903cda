"""What may be removed from each group: protected layers, minimum widths, steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.graph.groups import ChannelGraph, Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the user allows.

    Layers are named as in the network, or by a pattern with ``*`` and ``?``.

    Attributes:
        protected: layers that keep all their channels.
        minimum: channels that every layer keeps at least (a narrower one stays), or that for
            named layers.
        keep: what named layers keep in the end: a share of their channels (a float up to 1.0), or
            a width (an int).
        round_to: widths become multiples of this; a layer that is narrower stays.
    """

    protected: tuple[str, ...] = ()
    minimum: int | Mapping[str, int] = 1
    keep: Mapping[str, float | int] = field(default_factory=dict)
    round_to: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Between which widths a group may end.

    Attributes:
        name: of the group.
        floor: least channels.
        ceiling: most channels; equal to ``floor`` where the width is settled.
        step: channels go in multiples of this.
        blocks: of the group; a step takes as many channels from each.
        reason: why the group cannot go lower; empty where nothing but ``step`` says so.
    """

    name: str
    floor: int
    ceiling: int
    step: int = 1
    blocks: int = 1
    reason: str = ""


def bounds(graph: ChannelGraph, limits: Limits) -> tuple[Bound, ...]:
    """Return the bounds of each group, in their order.

    Raises:
        PruningError: a name is not known, a width or share makes no sense, or two contradict.
    """
    if limits.round_to < 1:
        raise PruningError(f"--round-to must be at least 1, got {limits.round_to}")
    protected = _matches(graph, limits.protected, "protected")
    keep = _matches(graph, tuple(limits.keep), "kept")
    named = limits.minimum if isinstance(limits.minimum, Mapping) else {}
    minimum = _matches(graph, tuple(named), "least")
    if isinstance(limits.minimum, int):
        _check_minimum(graph, limits.minimum)
    found = []
    for group in graph.groups:
        steps = _steps(group, limits.round_to)
        if group.name in minimum:
            least = _named_minimum(group, named[minimum[group.name]])
        else:
            least = limits.minimum if isinstance(limits.minimum, int) else 1
        bound = _bound(group, steps, least)
        if group.name in keep:
            bound = _settled(bound, group, limits.keep[keep[group.name]])
        if group.name in protected:
            if group.name in keep and bound.floor != group.channels:
                raise PruningError(
                    f"'{group.name}' is protected, and shall keep {bound.floor} of its "
                    f"{group.channels} channels; take it out of one of the two"
                )
            bound = _whole(group, "protected")
        found.append(bound)
    return tuple(found)


def _steps(group: Group, round_to: int) -> int:
    """Return the step that keeps blocks of one size and widths multiples of ``round_to``."""
    return math.lcm(group.blocks, round_to)


def _bound(group: Group, step: int, least: int) -> Bound:
    ceiling = group.channels - group.channels % step
    floor = step * max(math.ceil(least / step), 1)
    reason = f"keeps at least {least}" if least > step else ""
    if floor > ceiling:  # narrower than a step or than the minimum
        return _whole(group, reason or f"narrower than a step of {step}")
    return Bound(
        name=group.name,
        floor=floor,
        ceiling=ceiling,
        step=step,
        blocks=group.blocks,
        reason=reason,
    )


def _whole(group: Group, reason: str) -> Bound:
    return Bound(
        name=group.name,
        floor=group.channels,
        ceiling=group.channels,
        blocks=group.blocks,
        reason=reason,
    )


def _settled(bound: Bound, group: Group, keep: float | int) -> Bound:
    """Return the bound of a group whose width the user gave."""
    if isinstance(keep, float):
        if not 0 < keep <= 1:
            raise PruningError(
                f"'{group.name}' shall keep a share of {keep:g}; expected above 0 and up to 1.0 "
                "(a whole number without a point is a width)"
            )
        nearest = bound.step * round(group.channels * keep / bound.step)
        width = group.channels if keep == 1.0 else min(max(nearest, bound.floor), bound.ceiling)
    else:
        width = _given_width(bound, group, keep)
    return replace(bound, floor=width, ceiling=width, reason=f"keeps {width} as asked for")


def _given_width(bound: Bound, group: Group, width: int) -> int:
    whole = width == group.channels
    if not whole and not bound.floor <= width <= bound.ceiling:
        raise PruningError(
            f"'{group.name}' shall keep {width} channels; it has {group.channels}, and can keep "
            f"{bound.floor} to {bound.ceiling}" + (f" ({bound.reason})" if bound.reason else "")
        )
    if not whole and width % bound.step:
        nearest = bound.step * max(round(width / bound.step), 1)
        raise PruningError(
            f"'{group.name}' shall keep {width} channels, but its width goes in steps of "
            f"{bound.step}; ask for {nearest}"
        )
    return width


def _named_minimum(group: Group, least: int) -> int:
    if not 1 <= least <= group.channels:
        raise PruningError(
            f"'{group.name}' shall keep at least {least} channels; it has {group.channels}, "
            f"expected 1 to {group.channels}"
        )
    return least


def _check_minimum(graph: ChannelGraph, least: int) -> None:
    widest = max((group.channels for group in graph.groups), default=least)
    if least < 1 or least > widest:
        raise PruningError(
            f"every layer shall keep at least {least} channels; expected 1 to {widest}, the "
            "widest layer"
        )


def _matches(graph: ChannelGraph, names: Sequence[str], what: str) -> dict[str, str]:
    """Return which of the user's names each group goes by; an exact one comes before a pattern.

    Raises:
        PruningError: a name is of no group, or two different patterns meet in one.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        groups = [group.name for group in graph.groups if _goes_by(group.name, name)]
        alone = any(fnmatchcase(layer.name, name) for layer in graph.left_alone)
        if not groups and not (alone and what == "protected"):
            raise PruningError(_unknown(graph, name))
        for group_name in groups:
            found.setdefault(group_name, []).append(name)
    chosen = {}
    for group_name, given in found.items():
        exact = [name for name in given if not _is_pattern(name)] or given
        if len(exact) > 1 and what != "protected":
            raise PruningError(
                f"'{exact[0]}' and '{exact[1]}' both mean the layers '{group_name}', which have "
                "one width; give one of them"
            )
        chosen[group_name] = exact[0]
    return chosen


def _goes_by(group_name: str, name: str) -> bool:
    return any(fnmatchcase(known, name) for known in (group_name, *group_name.split("+")))


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def _unknown(graph: ChannelGraph, name: str) -> str:
    known = ", ".join(group.name for group in graph.groups) or "none"
    alone = [layer for layer in graph.left_alone if fnmatchcase(layer.name, name)]
    if alone:
        return f"'{alone[0].name}' is left alone ({alone[0].reason}); layers to prune: {known}"
    return (
        f"no layer to prune is called '{name}'; known: {known} (patterns such as 'encoder.*' are "
        "understood; layers that make the network's outputs are never pruned)"
    )
