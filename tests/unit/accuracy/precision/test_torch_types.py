import pytest
import torch
from torch import nn

from spinn_edge.accuracy.precision.torch_types import count_pt2, count_torchscript
from spinn_edge.core.errors import BundleError
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.models.torchscript_file import save_torchscript
from tests.fakes.networks import load_factory, load_mlp, make_cnn


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    request = ExportRequest(
        formats=("torchscript", "pt2"), precisions=("fp32", "fp16"), max_batch=8
    )
    return write_bundle(load_mlp((4, 8, 8, 2)), tmp_path_factory.mktemp("types") / "b", request)


def found(bundle, format_name, precision):
    (entry,) = bundle.manifest.files_of(format_name, precision)
    count = {"torchscript": count_torchscript, "pt2": count_pt2}[format_name]
    return count(bundle.path_of(entry))


WEIGHTS = 4 * 8 + 8 * 8 + 8 * 2


@pytest.mark.parametrize(("precision", "size"), [("fp32", 4), ("fp16", 2)])
def test_torchscript_is_counted_by_its_modules(bundle, precision, size):
    counts = found(bundle, "torchscript", precision)
    assert counts.layers == {"fp16": 0, "fp32": 0, precision: 3}
    assert counts.weight_bytes == {precision: size * WEIGHTS}


@pytest.mark.parametrize(("precision", "size"), [("fp32", 4), ("fp16", 2)])
def test_pt2_is_counted_by_its_operators_without_casts(bundle, precision, size):
    counts = found(bundle, "pt2", precision)
    assert counts.layers == {"fp16": 0, "fp32": 0, precision: 5}  # 3 linear, 2 tanh
    assert counts.weight_bytes == {precision: size * WEIGHTS}


def test_a_mixture_shows(tmp_path):
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2).half()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.b(self.a(x).half())
            return y.float()

    save_torchscript(Mixed().eval(), [torch.ones(2, 4)], tmp_path / "m.ts")
    counts = count_torchscript(tmp_path / "m.ts")
    assert counts.layers == {"fp16": 1, "fp32": 1}
    assert counts.weight_share("fp16") == 8 / 24


def test_convolutions_count(tmp_path):
    from spinn_edge.export.shapes import parse_input_shapes

    request = ExportRequest(
        formats=("pt2",),
        precisions=("fp16",),
        max_batch=4,
        input_shapes=parse_input_shapes(["3,8,8"]),
    )
    bundle = write_bundle(load_factory(make_cnn, tmp_path), tmp_path / "b", request)
    counts = found(bundle, "pt2", "fp16")
    assert counts.layers["fp16"] >= 3
    assert counts.weight_share("fp16") == 1


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "m.ts").write_bytes(b"nothing")
    with pytest.raises(BundleError, match=r"m\.ts"):
        count_torchscript(tmp_path / "m.ts")
