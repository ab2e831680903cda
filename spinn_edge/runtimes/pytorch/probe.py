"""Whether the PyTorch runtimes can work here; imports no torch."""

from __future__ import annotations

import os
import shutil

from spinn_edge.core.errors import install_command
from spinn_edge.core.optional import installed_version
from spinn_edge.runtimes.base import Availability
from spinn_edge.runtimes.nvidia.driver import find_device, gpu_availability

CUDA_BUILD = (
    "pip uninstall torch && pip install torch with the command that "
    "https://pytorch.org/get-started/locally names for your CUDA version"
)
_CXX = "apt-get install g++"
_CC = "apt-get install gcc"
_TRITON = "pip install triton"


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
            install=_CXX,
        )
    return found


def probe_cuda() -> Availability:
    """Say whether a CUDA build of torch and a GPU are here."""
    found = probe()
    if not found.available:
        return found
    if str(found.version).endswith("+cpu"):
        return Availability(
            version=found.version,
            reason=f"torch {found.version} is a CPU build",
            install=CUDA_BUILD,
        )
    return gpu_availability(found.version, find_device)


def probe_cuda_compiler() -> Availability:
    """Say whether ``torch.compile`` can work on a GPU: Triton makes its kernels, with a C compiler.

    Source: ``get_cc`` in ``triton/runtime/build.py``: ``CC``, else clang or gcc.
    """
    found = probe_cuda()
    if not found.available:
        return found
    lacking = None
    if installed_version("triton", "pytorch-triton", "triton-windows") is None:
        lacking = ("torch.compile needs Triton for a GPU and it is not installed", _TRITON)
    elif not _has_c_compiler():
        lacking = ("Triton needs a C compiler and there is neither gcc nor clang", _CC)
    if lacking is None:
        return found
    return Availability(version=found.version, reason=lacking[0], install=lacking[1])


def _has_c_compiler() -> bool:
    if os.name == "nt":
        return True  # triton-windows brings one
    named = os.environ.get("CC")
    return any(shutil.which(name) for name in ((named,) if named else ("gcc", "clang")))
