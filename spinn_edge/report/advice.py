"""Advice that holds for several rows, said once."""

from __future__ import annotations

from collections.abc import Iterable


def advice_once(found: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line for each advice, behind all that it follows from.

    Args:
        found: a fact, and what follows from it in words that are alike where it is the same;
            empty where nothing follows.
    """
    groups: dict[str, list[str]] = {}
    lines: list[list[str]] = []
    for fact, advice in found:
        if not advice:
            lines.append([fact])
        elif advice in groups:
            groups[advice].append(fact)
        else:
            groups[advice] = [fact]
            lines.append(groups[advice])
    endings = {id(facts): advice for advice, facts in groups.items()}
    return ["; ".join([*facts, *filter(None, [endings.get(id(facts))])]) for facts in lines]
