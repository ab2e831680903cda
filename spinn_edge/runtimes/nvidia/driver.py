"""Ask the NVIDIA driver which GPU is here, through ctypes alone.

Nothing of CUDA's runtime or of TensorRT is loaded: without a GPU some of those libraries return bad
objects and the process dies on first use, where nothing can be caught. Every function called here
belongs to the driver library and answers with an error code.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spinn_edge.core.errors import RuntimeUnavailableError
from spinn_edge.runtimes.base import Availability

DRIVER_ADVICE = "install an NVIDIA driver; check it with: nvidia-smi"

# CUdevice_attribute
COMPUTE_CAPABILITY_MAJOR = 75
COMPUTE_CAPABILITY_MINOR = 76

_LIBRARY = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_NAME_BYTES = 256
_FIRST_DEVICE = 0  # also what TensorRT and cuda.bindings use when nobody sets another

LoadLibrary = Callable[[str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaDevice:
    """The first GPU that the driver shows; ``CUDA_VISIBLE_DEVICES`` decides which that is.

    Attributes:
        name: marketing name.
        compute_capability: ``8.6``.
        driver_version: newest CUDA version that the driver supports, ``13.0``.
    """

    name: str
    compute_capability: str
    driver_version: str

    @property
    def label(self) -> str:
        """Name and compute capability, as tables show the device."""
        return f"{self.name} ({self.sm})"

    @property
    def sm(self) -> str:
        """The compute capability as TensorRT spells it, ``SM86``."""
        return "SM" + self.compute_capability.replace(".", "")


def find_device(load: LoadLibrary = ctypes.CDLL) -> CudaDevice:
    """Return the first GPU.

    Args:
        load: loads the driver library by its file name, or raises OSError.

    Raises:
        RuntimeUnavailableError: says why no GPU can be used, in one line; what helps is
            ``DRIVER_ADVICE``.

    Source: CUDA Driver API, sections Initialization, Version Management, Device Management.
    """
    try:
        library = load(_LIBRARY)
    except OSError as exc:
        raise RuntimeUnavailableError(f"no NVIDIA driver: {_LIBRARY} cannot be loaded") from exc
    _call(library, "cuInit", ctypes.c_uint(0))
    if _number(library, "cuDeviceGetCount") == 0:
        raise RuntimeUnavailableError("the NVIDIA driver shows no GPU")
    device = ctypes.c_int(_number(library, "cuDeviceGet", ctypes.c_int(_FIRST_DEVICE)))
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _call(library, "cuDeviceGetName", name, ctypes.c_int(_NAME_BYTES), device)
    major, minor = (
        _number(library, "cuDeviceGetAttribute", ctypes.c_int(attribute), device)
        for attribute in (COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR)
    )
    version = _number(library, "cuDriverGetVersion")  # 1000 * major + 10 * minor
    return CudaDevice(
        name=name.value.decode("utf-8", "replace"),
        compute_capability=f"{major}.{minor}",
        driver_version=f"{version // 1000}.{version % 1000 // 10}",
    )


def gpu_availability(version: str | None, find: Callable[[], CudaDevice]) -> Availability:
    """Say whether there is a GPU, for the probe of a runtime whose packages are all here.

    Args:
        version: of the runtime's package.
        find: asks the driver, as :func:`find_device` does.
    """
    try:
        find()
    except RuntimeUnavailableError as exc:
        return Availability(version=version, reason=str(exc), install=DRIVER_ADVICE)
    return Availability(version=version)


def _number(library: Any, function: str, *arguments: Any) -> int:
    value = ctypes.c_int(0)
    _call(library, function, ctypes.byref(value), *arguments)
    return value.value


def _call(library: Any, function: str, *arguments: Any) -> None:
    try:
        code = int(getattr(library, function)(*arguments))
    except AttributeError as exc:
        raise RuntimeUnavailableError(f"{_LIBRARY} has no {function}: it is no driver") from exc
    if code != 0:
        raise RuntimeUnavailableError(f"the NVIDIA driver refused: {function} gave CUresult {code}")
