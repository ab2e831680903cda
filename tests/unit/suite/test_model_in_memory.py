import copy

import pytest
import torch
from torch import nn

from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import Architecture
from spinn_edge.suite.model_in_memory import ModelInMemory, no_eager_form, plain_mlp
from tests.unit.suite.models import Wrapped, mlp, sample, seeded


def sequential(*, activation=nn.Tanh, bias=True):
    return seeded(
        lambda: nn.Sequential(
            nn.Linear(3, 8), activation(), nn.Linear(8, 8, bias=bias), activation(), nn.Linear(8, 2)
        )
    )


def load(model, x=None, factory=None):
    return ModelInMemory.of(model, sample(2, 3) if x is None else x, "net", factory).load()


def test_reference_mlp_has_an_eager_form():
    loaded = load(mlp())
    assert loaded.architecture == Architecture(kind="mlp", widths=(3, 8, 8, 2), activation="tanh")


@pytest.mark.parametrize("make", [nn.Tanh, nn.ReLU, nn.SiLU, nn.GELU])
def test_plain_sequential_computes_the_same_as_its_eager_form(make):
    model = sequential(activation=make)
    loaded = load(model)
    assert loaded.architecture.kind == "mlp"
    assert loaded.architecture.widths == (3, 8, 8, 2)
    x = sample(16, 3)
    assert torch.equal(loaded.module(x), model(x))


def hooked():
    model = sequential()
    model[1].register_forward_hook(lambda module, inputs, output: 2 * output)
    return model


@pytest.mark.parametrize(
    "model",
    [
        Wrapped(),
        sequential(bias=False),
        sequential(activation=lambda: nn.GELU(approximate="tanh")),
        sequential(activation=nn.Softplus),
        hooked(),
        nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(), nn.Linear(8, 2)),
        nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)),
        nn.Sequential(nn.Linear(3, 8), nn.Tanh()),
        nn.Sequential(nn.Linear(3, 2)),
        nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(9, 2)),
        nn.Sequential(nn.Tanh(), nn.Linear(3, 8), nn.Tanh()),
        nn.Sequential(),
        nn.Linear(3, 2),
    ],
)
def test_whatever_might_compute_something_else_has_no_eager_form(model):
    assert plain_mlp(model) is None


def test_model_with_a_forward_of_its_own_is_kept_as_files_only():
    loaded = load(Wrapped())
    assert loaded.architecture == Architecture(kind="file")
    assert [spec.name for spec in loaded.inputs] == ["input"]


def test_factory_gives_any_model_an_eager_form():
    loaded = load(Wrapped(), factory="tests.unit.suite.models:make_wrapped")
    assert loaded.architecture.kind == "factory"


def test_mlp_on_samples_of_more_axes_is_no_plain_mlp():
    assert load(mlp(), sample(2, 5, 3)).architecture.kind == "file"


def test_model_is_left_as_it_was():
    model = mlp().train()
    before = copy.deepcopy(model.state_dict())
    loaded = load(model)
    with torch.no_grad():
        next(loaded.module.parameters()).zero_()
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_reason_for_no_eager_form_says_what_works():
    words = no_eager_form("net", Wrapped())
    assert "'net' is a Wrapped" in words
    assert "factory='package.module:function'" in words
    assert "torchscript, pt2 and ort-cpu need neither" in words


@pytest.mark.parametrize("model", ["dense", None, mlp, lambda x: x, mlp().state_dict()])
def test_what_is_no_module_is_refused(model):
    with pytest.raises(UsageError, match=r"expected a torch\.nn\.Module"):
        load(model)


def test_compiled_module_is_refused_with_what_to_give():
    with pytest.raises(UsageError, match=r"model\._orig_mod"):
        load(torch.compile(mlp()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_model_in_other_floats_is_refused(dtype):
    with pytest.raises(UsageError, match=r"timed in float32: give model\.float\(\)"):
        load(mlp().to(dtype))


def test_model_with_nan_weights_is_refused():
    model = mlp()
    with torch.no_grad():
        model[0].weight[0, 0] = torch.nan
    with pytest.raises(UsageError, match=r"NaN or Inf in '0\.weight'"):
        load(model)


def test_mask_of_minus_infinity_among_the_buffers_is_fine():
    model = Wrapped()
    model.register_buffer("mask", torch.full((2,), -torch.inf))
    assert load(model).architecture.kind == "file"


def test_model_that_cannot_be_copied_says_so():
    model = Wrapped()
    model.cache = model.net(sample(1, 3))  # a tensor inside a graph cannot be copied
    with pytest.raises(UsageError, match="'net' cannot be copied"):
        load(model)


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_model_needs_a_name(name):
    with pytest.raises(UsageError, match="expected the name that tables show"):
        ModelInMemory.of(mlp(), sample(1, 3), name, None)


def test_factory_is_named_as_on_the_command_line():
    with pytest.raises(UsageError, match=r"expected 'package\.module:function'"):
        ModelInMemory.of(mlp(), sample(1, 3), "net", "package.module.function")
