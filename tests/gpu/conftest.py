"""What the tests on a real GPU share; without one they skip with the driver's words."""

from __future__ import annotations

import pytest

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import RuntimeUnavailableError, SpinnEdgeError
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.models.loading import load_model
from spinn_edge.runtimes.nvidia.driver import CudaDevice, find_device


@pytest.fixture(scope="session")
def gpu() -> CudaDevice:
    try:
        return find_device()
    except RuntimeUnavailableError as exc:
        pytest.skip(f"no GPU: {exc}")


@pytest.fixture(scope="session")
def gpu_bundle(gpu, tiny_bundle, tmp_path_factory) -> Bundle:
    """The tiny network in every format and precision that this machine can write for its GPU."""
    loaded = load_model(tiny_bundle.root)
    folder = tmp_path_factory.mktemp("gpu")
    formats = ("torchscript", "pt2", "onnx", "trt")
    for number, chosen in enumerate((formats, formats[:-1])):
        request = ExportRequest(
            formats=chosen, precisions=("fp32", "fp16"), compute_capabilities=(gpu.sm,)
        )
        try:
            return write_bundle(loaded, folder / f"bundle{number}", request)
        except SpinnEdgeError as exc:
            if chosen != formats:
                raise
            print(f"no engine for {gpu.sm}: {exc}")
    raise AssertionError


@pytest.fixture(scope="session")
def int8_bundle(gpu, tiny_bundle, tmp_path_factory) -> Bundle:
    """The tiny network in int8, with an engine for this GPU where one can be built here."""
    loaded = load_model(tiny_bundle.root)
    folder = tmp_path_factory.mktemp("int8")
    for number, chosen in enumerate((("onnx", "trt"), ("onnx",))):
        request = ExportRequest(
            formats=chosen, precisions=("int8",), compute_capabilities=(gpu.sm,)
        )
        try:
            return write_bundle(loaded, folder / f"bundle{number}", request)
        except SpinnEdgeError as exc:
            if chosen == ("onnx",):
                raise
            print(f"no int8 engine for {gpu.sm}: {exc}")
    raise AssertionError
