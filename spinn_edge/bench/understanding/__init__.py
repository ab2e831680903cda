"""Why a latency is what it is, and what would change it."""
