"""Unstructured pruning: weights are held at zero by masks, and the network keeps its size."""
