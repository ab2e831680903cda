"""What a file really computes in."""
