"""How far two arrays lie apart, and how good predictions are."""
