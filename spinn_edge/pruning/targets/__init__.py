"""What a target is a share of, what may be removed for it, and widths that meet it."""
