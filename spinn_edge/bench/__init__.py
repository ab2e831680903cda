"""Timing of bundles on runtimes: parity first, one process each, raw samples kept."""
