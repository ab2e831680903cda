"""Results for people and programs: console, Markdown, JSON."""
