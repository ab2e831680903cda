"""Did it do what it was for: limits, verdicts, and what to try."""
