"""The loops that take time, and when they start and stop."""
