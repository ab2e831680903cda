"""Whether the PyTorch runtimes can work here; imports no torch."""

from __future__ import annotations

import os
import shutil

from spinn_edge.core.errors import install_command
from spinn_edge.core.optional import installed_version
from spinn_edge.runtimes.base import Availability


def probe() -> Availability:
    """Say whether torch is installed."""
    version = installed_version("torch")
    if version is None:
        return Availability(
            version=None, reason="torch is not installed", install=install_command("export")
        )
    return Availability(version=version)


def probe_compiler() -> Availability:
    """Say whether ``torch.compile`` can work: its CPU code needs a C++ compiler."""
    found = probe()
    if found.available and not shutil.which(os.environ.get("CXX", "g++")):
        return Availability(
            version=found.version,
            reason="torch.compile needs a C++ compiler and there is no g++",
            install="apt-get install g++",
        )
    return found
