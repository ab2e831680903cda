"""The NVIDIA driver, one CUDA stream, and buffers on it; no torch."""
