import itertools
import time
from collections import OrderedDict
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spinn_edge.core.errors import UsageError
from spinn_edge.models.modules import MLP, linear_layers
from spinn_edge.models.state_dict import mlp_from_state_dict, unwrap_checkpoint

Tensors = dict[str, torch.Tensor]
WIDTHS = (18, 16, 16, 2)


def tensors(names: list[str], widths: tuple[int, ...] = WIDTHS) -> Tensors:
    generator = torch.Generator().manual_seed(0)
    made = {}
    for name, (fan_in, fan_out) in zip(names, itertools.pairwise(widths), strict=True):
        made[f"{name}.weight"] = torch.randn(fan_out, fan_in, generator=generator)
        made[f"{name}.bias"] = torch.randn(fan_out, generator=generator)
    return made


def as_safetensors_would(state: Tensors) -> Tensors:
    return dict(sorted(state.items()))


def build(state: Tensors, *, in_file_order: bool = True, activation: str = "tanh") -> MLP:
    return mlp_from_state_dict(
        state, activation=activation, where="file.pt", in_file_order=in_file_order
    )


def assert_computes(mlp: MLP, state: Tensors) -> None:
    """Check against a hand-written forward pass in the order of ``state``."""
    x = torch.randn(5, 18)
    h = x
    weights, biases = list(state.values())[::2], list(state.values())[1::2]
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        h = h @ weight.float().T + bias.float()
        h = torch.tanh(h) if index < len(weights) - 1 else h
    torch.testing.assert_close(mlp(x), h)


NAMINGS = {
    "sequential": ["0", "2", "4"],
    "dropout gaps": ["0", "3", "6"],
    "two digits": ["2", "10", "100"],
    "network prefix": ["network.0", "network.2", "network.4"],
    "compiled": ["_orig_mod.net.0", "_orig_mod.net.2", "_orig_mod.net.4"],
    "blocks": ["layers.0.linear", "layers.1.linear", "layers.2.linear"],
    "fc and out": ["fc1", "fc2", "out"],
    "fc": ["fc1", "fc2", "fc3"],
}


@pytest.mark.parametrize("names", NAMINGS.values(), ids=NAMINGS)
@pytest.mark.parametrize("in_file_order", [True, False])
def test_any_usual_naming_gives_the_same_network(names: list[str], in_file_order: bool) -> None:
    state = tensors(names)
    given = state if in_file_order else as_safetensors_would(state)

    mlp = build(given, in_file_order=in_file_order)

    assert mlp.widths == WIDTHS
    assert not mlp.training
    assert_computes(mlp, state)


def test_file_order_decides_where_names_do_not() -> None:
    widths = (18, 16, 16, 16, 2)
    state = tensors(["encoder", "core", "bridge", "head"], widths)

    assert_computes(build(state), state)


def test_file_order_that_is_no_chain_falls_back_to_the_numbers() -> None:
    state = tensors(["0", "2", "4"], (18, 16, 12, 2))
    shuffled = {k: state[k] for k in sorted(state, reverse=True)}

    assert_computes(build(shuffled), state)


@given(widths=st.lists(st.integers(1, 6), min_size=2, max_size=6), start=st.integers(0, 20))
def test_numbered_layers_are_put_in_order_for_any_widths(widths: list[int], start: int) -> None:
    names = [f"net.{start + 3 * i}" for i in range(len(widths) - 1)]
    state = tensors(names, tuple(widths))

    mlp = build(as_safetensors_would(state), in_file_order=False)

    assert mlp.widths == tuple(widths)
    for layer, name in zip((m for m in mlp if isinstance(m, nn.Linear)), names, strict=True):
        torch.testing.assert_close(layer.weight.detach(), state[f"{name}.weight"])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_float_types_become_float32(dtype: torch.dtype) -> None:
    state = {name: tensor.to(dtype) for name, tensor in tensors(["0", "2", "4"]).items()}

    mlp = build(state)

    assert {parameter.dtype for parameter in mlp.parameters()} == {torch.float32}
    torch.testing.assert_close(mlp[0].weight, state["0.weight"].float())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
@pytest.mark.parametrize("name", ["2.weight", "4.bias"])
def test_weight_that_is_not_finite_in_float32_is_refused(name: str, value: float) -> None:
    state = {key: tensor.double() for key, tensor in tensors(["0", "2", "4"]).items()}
    state[name].view(-1)[-1] = value

    with pytest.raises(UsageError, match=f"file.pt: tensor '{name}' holds NaN or Inf"):
        build(state)


def with_tensor(name: str, value: torch.Tensor) -> Tensors:
    return tensors(["0", "2", "4"]) | {name: value}


def without(name: str) -> Tensors:
    state = tensors(["0", "2", "4"])
    del state[name]
    return state


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (with_tensor("1.running_mean", torch.zeros(16)), "tensor '1.running_mean' of shape (16,)"),
        (with_tensor("1.num_batches_tracked", torch.tensor(3)), "'1.num_batches_tracked'"),
        (with_tensor("1.weight", torch.zeros(16)), "tensor '1.weight' of shape (16,)"),
        (with_tensor("conv.weight", torch.zeros(4, 3, 3, 3)), "of shape (4, 3, 3, 3)"),
        (with_tensor("log_alpha", torch.tensor(0.5)), "tensor 'log_alpha' of shape ()"),
        (with_tensor("4.weight", torch.zeros(2, 16, dtype=torch.int8)), "tensor '4.weight'"),
        (without("2.bias"), "layer '2' has a weight but no bias"),
        (without("2.weight"), "layer '2' has a bias but no weight"),
        (with_tensor("2.bias", torch.zeros(7)), "weight and bias of '2' differ in width"),
        (tensors(["0"], (18, 2)) | tensors(["1"], (3, 2)), "(0 (2, 18), 1 (2, 3))"),
        (tensors(["a"], (18, 2)) | tensors(["b"], (3, 2)), "do not form one chain"),
    ],
)
def test_tensors_that_are_no_plain_mlp_are_refused(state: Tensors, message: str) -> None:
    with pytest.raises(UsageError, match=r"file\.pt is no plain MLP") as caught:
        build(state)

    assert message in str(caught.value)


def test_refusal_names_the_form_that_takes_any_network() -> None:
    with pytest.raises(UsageError, match=r"package\.module:factory --weights FILE"):
        build(without("2.bias"))


def test_ambiguous_order_is_refused_not_guessed() -> None:
    state = tensors(["encoder", "core", "bridge", "head"], (18, 16, 16, 16, 2))

    with pytest.raises(UsageError, match="do not form one chain"):
        build(as_safetensors_would(state), in_file_order=False)


def test_two_heads_on_many_equal_layers_are_refused_at_once() -> None:
    body = tensors([f"body.{i}" for i in range(14)], (18, *[16] * 14))
    state = body | tensors(["wear"], (16, 1)) | tensors(["heat"], (16, 1))
    start_s = time.monotonic()

    with pytest.raises(UsageError, match="do not form one chain"):
        build(state)
    assert time.monotonic() - start_s < 5.0  # all orders of 14 layers would take years


def test_unknown_activation_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown activation 'swish'; known: tanh"):
        build(tensors(["0", "2", "4"]), activation="swish")


def test_tensors_are_not_changed() -> None:
    state = tensors(["0", "2", "4"])
    before = {name: tensor.clone() for name, tensor in state.items()}

    linear_layers(build(state))[0].weight.data.zero_()

    for name, tensor in state.items():
        torch.testing.assert_close(tensor, before[name])


STATE = tensors(["0", "2", "4"])


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        OrderedDict(STATE),
        {"state_dict": STATE},
        {"model_state_dict": STATE, "optimizer_state_dict": {"step": 1}, "epoch": 7},
        {"model": STATE, "loss": torch.tensor(0.1)},
    ],
)
def test_state_dict_is_found_bare_or_in_a_checkpoint(content: Any) -> None:
    assert unwrap_checkpoint(content, where="file.pt") == STATE


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([torch.zeros(1)], "list"),
        (torch.zeros(1), "Tensor"),
        ({}, "found []"),
        ({"epoch": 3, "optimizer": {}}, "['epoch', 'optimizer']"),
        ({"state_dict": {"step": 1}}, "['state_dict']"),
        ({0: torch.zeros(1)}, "['0']"),
    ],
)
def test_content_without_a_state_dict_is_refused(content: Any, found: str) -> None:
    with pytest.raises(UsageError, match=r"file\.pt holds no state dict") as caught:
        unwrap_checkpoint(content, where="file.pt")

    assert found in str(caught.value)
    assert "--weights FILE" in str(caught.value)


def test_single_unnamed_layer_is_refused() -> None:
    with pytest.raises(UsageError, match=r"tensor 'weight' belongs to no named layer"):
        mlp_from_state_dict(
            nn.Linear(4, 2).state_dict(), activation="tanh", where="f.pt", in_file_order=True
        )
