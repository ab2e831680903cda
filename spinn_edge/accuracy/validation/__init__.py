"""A model against its baseline, and on labelled data."""
