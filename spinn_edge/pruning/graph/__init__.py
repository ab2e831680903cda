"""Which channels of a network belong together, found by tracing it and proven by running it."""
