"""Which choices no other beats: at least as fast and as good, and better in one of the two."""

from __future__ import annotations

from collections.abc import Sequence


def on_frontier(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell of each point whether it is on the Pareto frontier.

    Args:
        points: latency (less is better) and score (more is better) of each choice.

    Returns:
        One entry a point; equal points are both on it.
    """
    return [
        not any(
            fast <= latency and good >= score and (fast, good) != (latency, score)
            for fast, good in points
        )
        for latency, score in points
    ]
