"""The embedded default: a seeded milling simulator; commands run without your data."""
