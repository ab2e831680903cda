import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.core.errors import ExportError
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.half import HalfInside
from spinn_edge.export.shapes import parse_input_shapes
from spinn_edge.runtimes import open_runtime
from tests.fakes.networks import (
    load_factory,
    load_mlp,
    make_cnn,
    make_named,
    make_two_by_two,
    module_in,
)

PRECISIONS = ("fp32", "fp16")


def test_inputs_and_outputs_are_float32_and_what_lies_between_is_not():
    seen = []

    class Spy(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.dtype)
            return super().forward(x)

    module = Spy(3, 2)
    result = HalfInside(module)(torch.ones(4, 3))
    assert result.dtype == torch.float32
    assert seen == [torch.float16]
    assert module.weight.dtype == torch.float32  # the original is left as it is


def test_integers_go_through_as_they_are():
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.Embedding(5, 2)

        def forward(self, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.rows(index), index

    values, index = HalfInside(Table())(torch.tensor([1, 2]))
    assert values.dtype == torch.float32
    assert index.dtype == torch.int64


def test_weights_beyond_float16_are_refused_by_name():
    module = nn.Linear(2, 2)
    with torch.no_grad():
        module.weight[0, 0] = 1e6
    with pytest.raises(ExportError, match="'weight' holds values beyond ±65504"):
        HalfInside(module)


def test_a_module_that_cannot_be_copied_is_refused_in_words():
    class Stubborn(nn.Linear):
        def __deepcopy__(self, memo: object) -> None:
            raise RuntimeError("there is one of me")

    with pytest.raises(ExportError, match=r"no float16 copy \(RuntimeError\): there is one"):
        HalfInside(Stubborn(2, 2))


@pytest.mark.parametrize("format_name", ["torchscript", "pt2"])
@pytest.mark.parametrize(
    ("make", "shapes"),
    [(make_cnn, ["3,8,8"]), (make_two_by_two, ["a=3", "b=2"])],
    ids=["cnn", "two inputs"],
)
def test_networks_are_written_in_half_and_proved(format_name, make, shapes, tmp_path):
    request = ExportRequest(
        formats=(format_name,),
        precisions=PRECISIONS,
        max_batch=256,  # as many golden inputs, so that each channel's scale is seen
        input_shapes=parse_input_shapes(shapes),
    )
    loaded = load_factory(make, tmp_path)
    with torch.no_grad():
        linear = [m for m in module_in(loaded).modules() if isinstance(m, nn.Linear)]
        linear[-1].bias.add_(2)  # a larger scale, of which float16's limit is a share
    bundle = write_bundle(loaded, tmp_path / "b", request)
    (entry,) = bundle.manifest.files_of(format_name, "fp16")
    assert [point.batch for point in entry.proof] == [1, 2, 7, 256]
    assert entry.details["weight_bytes"].keys() == {"fp16"}


def test_a_dict_of_outputs_keeps_its_names(tmp_path):
    request = ExportRequest(
        formats=("pt2",),
        precisions=PRECISIONS,
        max_batch=4,
        input_shapes=parse_input_shapes(["x=3"]),
    )
    bundle = write_bundle(load_factory(make_named, tmp_path), tmp_path / "b", request)
    x = np.ones((2, 3), np.float32)
    with (
        open_runtime(bundle, runtime="pt2", precision="fp16") as half,
        open_runtime(bundle, runtime="pt2") as single,
    ):
        for name, values in single(x).items():
            np.testing.assert_allclose(half(x)[name], values, atol=5e-3)


@pytest.mark.parametrize("format_name", ["torchscript", "pt2"])
def test_half_is_half_as_large_and_differs_but_little(format_name, tmp_path):
    loaded = load_mlp((18, 512, 512, 2))
    request = ExportRequest(formats=(format_name,), precisions=PRECISIONS, max_batch=64)
    bundle = write_bundle(loaded, tmp_path / "b", request)
    single, half = bundle.manifest.files_of(format_name)
    assert half.bytes <= 0.52 * single.bytes
    golden = bundle.golden()
    with open_runtime(bundle, runtime=format_name, precision="fp16") as model:
        got = model(golden.inputs)
    error = np.abs(got - golden.outputs["output"]) / np.abs(golden.outputs["output"]).max(axis=0)
    assert 0 < error.max() <= 5e-3
    assert module_in(loaded)[0].weight.dtype == torch.float32
