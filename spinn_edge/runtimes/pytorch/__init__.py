"""PyTorch: eager, compiled, TorchScript and PT2, on the CPU and on a GPU."""
