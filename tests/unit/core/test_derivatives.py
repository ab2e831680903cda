"""Requests for derivatives, and what the columns of a model are called."""

import numpy as np
import pytest

from spinn_edge.core.derivatives import (
    Channel,
    ChannelNames,
    carried_derivatives,
    channel_names,
    parse_derivatives,
)
from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import TensorSpec

FLOAT32 = np.dtype(np.float32)
INPUT = TensorSpec("input", (None, 3), FLOAT32)
OUTPUT = TensorSpec("output", (None, 2), FLOAT32)


def trained() -> ChannelNames:
    return channel_names(
        [INPUT], [OUTPUT], features=("time", "speed", "load (kN)"), targets=("tool_wear", "heat")
    )


def test_columns_are_called_after_features_and_targets():
    first, second = parse_derivatives(["tool_wear:time", "heat:speed:time"], trained())
    assert first.name == "d_tool_wear_d_time"
    assert first.order == 1
    assert first.output == Channel(tensor="output", index=0)
    assert second.name == "d2_heat_d_speed_d_time"
    assert second.order == 2
    assert [channel.index for channel in second.inputs] == [1, 0]


def test_columns_without_names_are_called_after_their_place():
    (found,) = parse_derivatives(["output.1:input.2"], channel_names([INPUT], [OUTPUT]))
    assert found.name == "d_output_1_d_input_2"
    assert found.output.index == 1
    assert found.inputs == (Channel(tensor="input", index=2),)


def test_places_are_known_beside_names():
    by_name, by_place = parse_derivatives(["heat:load (kN)", "output.1:input.2"], trained())
    assert by_name.name == "d_heat_d_load__kN_"
    assert by_name.inputs == by_place.inputs


def test_a_request_twice_counts_once():
    assert len(parse_derivatives(["heat:time", "heat:time"], trained())) == 1


def test_names_that_do_not_fit_the_columns_are_not_used():
    names = channel_names([INPUT], [OUTPUT], features=("time",), targets=("tool_wear", "heat"))
    assert "time" not in names.inputs
    assert "tool_wear" in names.outputs


@pytest.mark.parametrize(
    ("request_text", "message"),
    [
        ("tool_wear", "OUTPUT:INPUT"),
        ("tool_wear:", "OUTPUT:INPUT"),
        (":time", "OUTPUT:INPUT"),
        ("tool_wear:time:time:time", "first or second order"),
        ("wear:time", "no output is called 'wear'; known: tool_wear, heat"),
        ("tool_wear:t", r"no input is called 't'; known: time, speed, load \(kN\)"),
        ("tool_wear:time:t", "no input is called 't'"),
    ],
)
def test_requests_that_make_no_sense_are_refused(request_text, message):
    with pytest.raises(UsageError, match=message):
        parse_derivatives([request_text], trained())


def test_two_requests_of_one_output_name_are_refused():
    names = channel_names([INPUT], [OUTPUT], features=("a b", "a_b", "c"))
    with pytest.raises(UsageError, match="both be called d_output_0_d_a_b"):
        parse_derivatives(["output.0:a b", "output.0:a_b"], names)


def test_an_output_that_has_the_name_already_is_refused():
    outputs = [OUTPUT, TensorSpec("d_output_0_d_input_0", (None, 1), FLOAT32)]
    with pytest.raises(UsageError, match="rename that one"):
        parse_derivatives(["output.0:input.0"], channel_names([INPUT], outputs))


def test_images_have_no_columns():
    with pytest.raises(UsageError, match=r"shape \[None, 3, 8, 8\]"):
        channel_names([TensorSpec("image", (None, 3, 8, 8), FLOAT32)], [OUTPUT])


def test_function_may_carry_the_derivatives_that_it_asks_for():
    def residual(x, y, derivatives):
        return y

    assert carried_derivatives(residual) == ()
    residual.derivatives = ("wear:time",)  # type: ignore[attr-defined]
    assert carried_derivatives(residual) == ("wear:time",)


@pytest.mark.parametrize("named", ["wear:time", 3, (1, 2)])
def test_derivatives_that_a_function_carries_must_be_texts(named):
    def residual(x, y, derivatives):
        return y

    residual.derivatives = named  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"attribute 'derivatives' is .*; expected a tuple such"):
        carried_derivatives(residual)
