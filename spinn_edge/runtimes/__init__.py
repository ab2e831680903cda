"""One interface over every runtime.

>>> from spinn_edge.runtimes import open_runtime
>>> with open_runtime("pruned", runtime="ort-cpu") as model:  # doctest: +SKIP
...     y = model(x)  # numpy in, numpy out
"""

from spinn_edge.runtimes.model import Model, open_runtime

__all__ = ["Model", "open_runtime"]
