from dataclasses import replace

import numpy as np
import pytest
import torch

from spinn_edge.bench.understanding.width_variants import WidthVariants, mlp_of, seeded_weights
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import Architecture
from spinn_edge.models.modules import ACTIVATIONS, MLP


def with_architecture(bundle: Bundle, **changes) -> Bundle:
    manifest = replace(bundle.manifest, architecture=Architecture(**changes))
    return Bundle(root=bundle.root, manifest=manifest)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("width", [1, 64])
def test_activations_stay_ordinary_numbers_through_many_layers(activation, width):
    """No overflow, and nothing near the denormal numbers, which would cost time of their own."""
    widths = (18, *(width,) * 30, 2)
    mlp = MLP(widths, activation)
    mlp.load_state_dict(seeded_weights(widths))
    values = torch.randn(200, 18, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for layer in mlp:
            values = layer(values)
            size = values.abs()
            assert size.max() < 100
            assert size.max() > 1e-3 or activation == "relu"  # one that is off is exactly 0
            assert size.max() > 0.9 or activation == "silu" or width == 1  # nothing fades
            assert not ((size > 0) & (size < torch.finfo(torch.float32).tiny)).any()


def test_equal_widths_get_equal_weights():
    one, other = seeded_weights((3, 4, 2)), seeded_weights((3, 4, 2))
    assert all(torch.equal(one[name], other[name]) for name in one)  # type: ignore[arg-type]


def test_variant_differs_in_nothing_but_hidden_widths(tiny_bundle, tmp_path):
    made = WidthVariants(tiny_bundle, tmp_path, runtime="eager", max_batch=1).at((5, 3))
    assert made.manifest.architecture == Architecture(
        kind="mlp", widths=(18, 5, 3, 2), activation="tanh"
    )
    assert made.manifest.inputs[0].shape == (None, 18)
    assert made.manifest.flops_per_sample == 2 * (18 * 5 + 5 * 3 + 3 * 2)
    assert np.isfinite(made.golden().outputs["output"]).all()


@pytest.mark.parametrize(
    ("runtime", "formats"),
    [("eager", {"weights"}), ("torchscript", {"weights", "torchscript"})],
)
def test_only_the_runtimes_format_is_written(tiny_bundle, tmp_path, runtime, formats):
    made = WidthVariants(tiny_bundle, tmp_path, runtime=runtime, max_batch=40).at((2, 2))
    assert {entry.format for entry in made.manifest.files} == formats | {"golden"}
    assert made.manifest.max_batch == 40


def test_variant_is_written_once(tiny_bundle, tmp_path):
    variants = WidthVariants(tiny_bundle, tmp_path, runtime="eager", max_batch=1)
    assert variants.at((4, 4)) is variants.at([4, 4])


@pytest.mark.parametrize("kind", ["factory", "file"])
def test_model_without_known_widths_is_refused_with_what_works(tiny_bundle, kind):
    with pytest.raises(UsageError, match="is no MLP") as refusal:
        mlp_of(with_architecture(tiny_bundle, kind=kind))
    assert f"'{kind}'" in str(refusal.value)
    assert "--only roofline,threads" in str(refusal.value)


def test_network_without_a_hidden_layer_is_refused(tiny_bundle):
    linear = with_architecture(tiny_bundle, kind="mlp", widths=(18, 2), activation="tanh")
    with pytest.raises(UsageError, match=r"tiny \(18-2\) has no hidden layer"):
        mlp_of(linear)
