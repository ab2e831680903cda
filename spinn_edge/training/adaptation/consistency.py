"""Whether a batch agrees with itself: a shift is the same in every row, rubbish is not."""

from __future__ import annotations

from spinn_edge.training.dataset import Floats

FEWEST_ROWS = 8
"""Rows that a surprising batch needs to agree or disagree with itself."""
EXPLAINED = 0.7
"""Share of the squared error in one half of a surprising batch that the direction learnt from the
other half must explain. A shift of three usual errors is explained to 0.9; of targets that belong
to other rows nothing beyond their mean can be, 0.5 but for chance."""


def explained_share(taught: Floats, needed: Floats) -> float:
    """Return which share of a needed correction lies along one that was learnt elsewhere.

    How far a batch moves the weights depends on the anchor and the learning rate; whether it moves
    them in the right direction does not. So the best step along that direction is judged.

    Args:
        taught: what learning changed of outputs, shape (rows, targets), each in its unit.
        needed: what those outputs lacked.

    Returns:
        0 to 1: the squared cosine between the two; 0 where they point apart.
    """
    along = float((taught * needed).sum())
    if along <= 0:
        return 0.0
    return along**2 / (float((taught**2).sum()) * float((needed**2).sum()))
