"""Structured pruning, proven export and honest timing for small PyTorch networks.

Importing this package imports nothing heavy. The sub-packages, in the order in which data flows::

    models ──▶ pruning ──▶ export ──▶ bundle on disk ──▶ runtimes ──▶ accuracy, bench ──▶ report
"""

__version__ = "0.1.0"
