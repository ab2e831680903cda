from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.shapes import parse_input_shapes
from spinn_edge.models.loading import LoadedModel, load_model
from spinn_edge.runtimes import registry
from tests.fakes.networks import load_factory, make_named, make_two_by_two

MAX_BATCH = 16
PORTABLE = ("torchscript", "pt2", "onnx")


def write_every_format(loaded: LoadedModel, out: Path, request: ExportRequest) -> Bundle:
    """Write every format that can be run here, with an engine where one can be built for it."""
    if registry.probe("trt").available:
        try:
            return write_bundle(loaded, out, replace(request, formats=(*PORTABLE, "trt")))
        except SpinnEdgeError as exc:  # a GPU that the installed package builds nothing for
            print(f"no engine: {exc}")
    return write_bundle(loaded, out, replace(request, formats=PORTABLE))


@pytest.fixture(scope="session")
def mlp_bundle(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An MLP 18-16-16-2 in every format that can run here."""
    if not registry.probe("trt").available:
        return tiny_bundle
    out = tmp_path_factory.mktemp("mlp") / "bundle"
    return write_every_format(load_model(tiny_bundle.root), out, ExportRequest())


@pytest.fixture(scope="session")
def two_by_two_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A network with inputs a and b and outputs output_0 and output_1, in every format."""
    folder = tmp_path_factory.mktemp("two")
    request = ExportRequest(max_batch=MAX_BATCH, input_shapes=parse_input_shapes(["a=3", "b=2"]))
    return write_every_format(load_factory(make_two_by_two, folder), folder / "bundle", request)


@pytest.fixture(scope="session")
def named_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A network that returns a dict, in the formats that take one."""
    folder = tmp_path_factory.mktemp("named")
    request = ExportRequest(
        formats=("pt2", "onnx"), max_batch=MAX_BATCH, input_shapes=parse_input_shapes(["3"])
    )
    return write_bundle(load_factory(make_named, folder), folder / "bundle", request)
