"""Where two forms part: layer by layer, and step by step."""
