"""TensorRT: building engines, choosing one, running it; no torch."""
