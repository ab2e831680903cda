"""Central differences between float32 points, and the choice of their step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.accuracy.physics.difference_steps import choose_step, measure_noise
from spinn_edge.accuracy.physics.stencils import evaluate_all, line_through, make_stencil, spread
from spinn_edge.core.derivatives import Channel, Derivative

X, Y = Channel(tensor="input", index=0), Channel(tensor="input", index=1)
OUT = Channel(tensor="output", index=0)
ROWS = 50


def wanted(*inputs):
    return Derivative(request="o:i", name="d", output=OUT, inputs=inputs)


def samples(scale=1.0, shift=0.0):
    x = np.random.default_rng(0).standard_normal((ROWS, 2)) * scale + shift
    return {"input": x.astype(np.float32)}


def columns(feeds):
    return feeds["input"][:, 0].astype(np.float64), feeds["input"][:, 1].astype(np.float64)


@given(
    coefficients=st.tuples(*[st.floats(-3, 3)] * 6),
    shift=st.sampled_from([0.0, 7.3, 1000.1]),
    step=st.sampled_from([0.01, 0.3, 1.7]),
)
def test_parabolas_are_exact_even_where_the_points_are_rounded(coefficients, shift, step):
    a, b, c, d, e, f = coefficients

    def parabola(feeds):
        x, y = (column - shift for column in columns(feeds))
        return a + b * x + c * y + d * x * x + e * x * y + f * y * y

    feeds = samples(shift=shift)
    steps = {X: step, Y: 2 * step}
    for inputs, expected in {(X, X): 2 * d, (X, Y): e, (Y, Y): 2 * f}.items():
        values = evaluate_all(make_stencil(feeds, wanted(*inputs), steps), parabola)
        np.testing.assert_allclose(values, expected, atol=1e-6)


def test_a_first_difference_divides_by_the_distance_that_is_there():
    feeds = samples(shift=1000.1)
    values = evaluate_all(make_stencil(feeds, wanted(X), {X: 1e-3}), lambda f: 3 * columns(f)[0])
    np.testing.assert_allclose(values, 3, rtol=1e-12)


def test_points_that_fall_together_are_not_usable():
    feeds = samples(scale=1e-3, shift=1e6)
    assert not make_stencil(feeds, wanted(X), {X: 1e-3}).usable
    assert make_stencil(feeds, wanted(X), {X: 10.0}).usable


@pytest.mark.parametrize(
    ("inputs", "factor"), [((X,), np.sqrt(0.5) / 0.5), ((X, X), np.sqrt(6) / 0.25), ((X, Y), 4.0)]
)
def test_noise_grows_by_the_root_of_the_squared_weights(inputs, factor):
    feeds = {"input": np.zeros((1, 2), np.float32)}
    stencil = make_stencil(feeds, wanted(*inputs), {X: 0.5, Y: 0.25})
    assert stencil.amplification == pytest.approx(factor)


def test_a_line_goes_through_its_sample_along_one_input():
    feeds = samples()
    line = line_through(feeds, 7, Y, 0.5, 5)["input"]
    assert (line[:, 0] == feeds["input"][7, 0]).all()
    np.testing.assert_allclose(line[:, 1] - feeds["input"][7, 1], [-1, -0.5, 0, 0.5, 1], rtol=1e-6)


def test_the_spread_of_a_constant_input_is_its_magnitude_or_one():
    feeds = {"input": np.array([[5, 0], [5, 0]], np.float32)}
    assert spread(feeds, X) == 5
    assert spread(feeds, Y) == 1


def wave(feeds, channel=OUT):
    x, y = columns(feeds)
    return np.sin(x) * np.cos(2 * y)


def slopes(feeds, *inputs):
    x, y = columns(feeds)
    return {
        (X,): np.cos(x) * np.cos(2 * y),
        (X, X): -np.sin(x) * np.cos(2 * y),
        (X, Y): -2 * np.cos(x) * np.sin(2 * y),
    }[inputs]


@pytest.mark.parametrize("inputs", [(X,), (X, X), (X, Y)])
@pytest.mark.parametrize("noise", [1e-8, 1e-6, 1e-4])
def test_the_chosen_step_keeps_the_error_within_what_it_promises(inputs, noise):
    generator = np.random.default_rng(1)

    def form(feeds, channel=OUT):
        return wave(feeds) + noise * generator.standard_normal(len(feeds["input"]))

    feeds, derivative = samples(), wanted(*inputs)
    level = measure_noise(form, wave, feeds, derivative)
    assert noise / 3 < level < noise * 6
    reference = slopes(feeds, *inputs)
    step = choose_step(wave, feeds, derivative, reference, level)
    error = np.abs(evaluate_all(step.stencil, form) - reference).max()
    assert error <= step.expected
    shorter = make_stencil(feeds, derivative, dict.fromkeys((X, Y), step.share / 64))
    assert np.abs(evaluate_all(shorter, form) - reference).max() > error


def test_more_noise_takes_a_longer_step():
    feeds, derivative = samples(), wanted(X, X)
    steps = [
        choose_step(wave, feeds, derivative, slopes(feeds, X, X), noise).share
        for noise in (1e-9, 1e-6, 1e-3)
    ]
    assert steps == sorted(steps)
    assert steps[0] < steps[2]


def test_the_noise_of_float16_is_found_although_its_neighbours_are_equal():
    def coarse(feeds, channel=OUT):
        return wave({"input": feeds["input"].astype(np.float16)}).astype(np.float16)

    level = measure_noise(coarse, wave, samples(), wanted(X))
    assert 5e-5 < level < 5e-3


def test_an_exact_form_still_has_the_noise_of_float32():
    assert measure_noise(wave, wave, samples(), wanted(X)) >= 2.0**-26
