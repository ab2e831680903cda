"""Charts of a report, as Vega-Lite specifications with their data inside (ADR 0018)."""
