"""Stages on disk: what every round left, to go on from or to go back to."""
