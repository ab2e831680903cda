"""The reference MLP, its training, and the safe loading of other people's models."""
