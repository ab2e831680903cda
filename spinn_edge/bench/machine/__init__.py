"""What the measurements run on: its state, its counters, what disturbs, what a process holds."""
