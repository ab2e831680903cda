"""What samples and launches say, and how surely."""
