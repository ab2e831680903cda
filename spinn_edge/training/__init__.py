"""Learning from rows: the loop, its data, its losses."""
