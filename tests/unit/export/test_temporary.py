from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from spinn_edge.core.errors import ExportError, MissingDependencyError, UsageError
from spinn_edge.core.manifest import Architecture
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export import registry
from spinn_edge.export.bundling import ExportRequest
from spinn_edge.export.golden import rows_as_golden
from spinn_edge.export.temporary import temporary_bundle
from spinn_edge.models.loading import LoadedModel
from tests.fakes.networks import RareBranch, load_mlp

ALL = ExportRequest(formats=("torchscript", "pt2", "onnx"), max_batch=8)


def load(module: nn.Module) -> LoadedModel:
    """Return a module of three inputs as one that came out of nowhere."""
    spec = TensorSpec("input", (None, 3), np.dtype(np.float32))
    kind = Architecture(kind="file")
    return LoadedModel(origin="a module", architecture=kind, module=module, inputs=(spec,))


def absent(job):
    raise MissingDependencyError("onnxscript", "export", "ModuleNotFoundError")


def test_bundle_lives_as_long_as_its_block():
    with temporary_bundle(load_mlp(), "net", ExportRequest(max_batch=8)) as made:
        root = made.bundle.root
        assert made.bundle.name == "net"
        assert root.is_dir()
    assert not root.parent.exists()


def test_bundle_is_removed_though_the_block_raises():
    with pytest.raises(KeyError), temporary_bundle(load_mlp(), "net", ExportRequest()) as made:
        raise KeyError
    assert not made.bundle.root.exists()


def test_nothing_is_refused_where_all_formats_work():
    with temporary_bundle(load_mlp(), "net", ALL) as made:
        assert not made.refused
        assert {e.format for e in made.bundle.manifest.files} >= {"torchscript", "pt2", "onnx"}


def test_format_that_cannot_be_written_leaves_the_others_alone():
    with temporary_bundle(load(RareBranch()), "net", ALL) as made:
        assert [e.format for e in made.bundle.manifest.files] == ["golden", "torchscript"]
        assert set(made.refused) == {"pt2", "onnx"}
        assert "torch.export failed" in str(made.refused["pt2"])
        assert "torch.onnx failed" in str(made.refused["onnx"])


def test_package_that_is_missing_refuses_its_format_alone(monkeypatch):
    monkeypatch.setitem(
        registry.EXPORTERS,
        "onnx",
        replace(registry.EXPORTERS["onnx"], exporter=f"{__name__}:absent"),
    )
    with temporary_bundle(load_mlp(), "net", ALL) as made:
        assert isinstance(made.refused["onnx"], MissingDependencyError)
        assert made.bundle.manifest.files_of("pt2")


def test_model_that_cannot_be_bundled_at_all_is_an_error():
    golden = rows_as_golden(np.full((4, 4), np.nan), "broken rows")
    with (
        pytest.raises(ExportError, match="NaN or Inf on the golden inputs"),
        temporary_bundle(load_mlp(), "net", ALL, golden=golden),
    ):
        pass


def test_unknown_format_is_an_error():
    request = ExportRequest(formats=("onx",))
    with pytest.raises(UsageError, match="onx"), temporary_bundle(load_mlp(), "net", request):
        pass


def test_given_golden_inputs_are_used():
    golden = rows_as_golden(np.ones((4, 4)), "ones")
    with temporary_bundle(load_mlp(), "net", ExportRequest(), golden=golden) as made:
        assert made.bundle.manifest.golden_source == "4 rows of ones"
