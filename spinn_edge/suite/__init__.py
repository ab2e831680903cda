"""Models in memory: exported, timed and compared in a few lines of Python."""
