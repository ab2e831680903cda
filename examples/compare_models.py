"""Compare networks in memory: put yours in the place of these.

Run it with ``python examples/compare_models.py``; it needs
``pip install 'spinn-edge[export,ort,bench]'``.
"""

from __future__ import annotations

import torch
from torch import nn

from spinn_edge.bench import BenchmarkSuite


def make_network(hidden: int) -> nn.Module:
    """Return an untrained network; yours is trained."""
    return nn.Sequential(
        nn.Linear(18, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2)
    )


def main() -> None:
    """Time both, print what follows, and write a report."""
    torch.manual_seed(0)
    inputs, targets = torch.randn(256, 18), torch.randn(256, 2)  # yours: rows that were held out
    suite = BenchmarkSuite("cpu")
    suite.add_model(make_network(512), inputs, name="dense")
    suite.add_model(make_network(128), name="narrow")
    suite.run_comparison(batch_size=(1, 64), validation=(inputs, targets), on_step=print)
    suite.print_comparison()
    print(f"wrote {suite.generate_report('comparison.md')}")


if __name__ == "__main__":
    main()
