from typing import Any

import numpy as np
import pytest
import torch

from spinn_edge.core.errors import BundleError, InferenceError, UsageError
from spinn_edge.core.manifest import MANIFEST_NAME
from spinn_edge.runtimes import Model, open_runtime, registry
from spinn_edge.runtimes.base import OpenOptions, RuntimeFacts
from tests.fakes.runtime import ENTRY, FakeRuntime, doubling_bundle


def ones(rows=2):
    return np.ones((rows, 3), np.float32)


def test_an_array_goes_in_and_an_array_comes_out():
    np.testing.assert_array_equal(Model(FakeRuntime())(ones()), 2 * ones())


def test_a_dict_by_name_goes_in():
    np.testing.assert_array_equal(Model(FakeRuntime())({"x": ones()}), 2 * ones())


def test_several_outputs_come_out_by_name():
    model = Model(FakeRuntime(lambda feeds: {"y": feeds["x"], "z": -feeds["x"]}))
    outputs = model(ones())
    assert isinstance(outputs, dict)
    np.testing.assert_array_equal(outputs["z"], -ones())


def test_a_call_binds_runs_and_fetches():
    runtime = FakeRuntime()
    Model(runtime)(ones())
    assert runtime.calls == ["bind", "run", "fetch"]


def test_a_model_says_what_really_loaded():
    runtime = FakeRuntime()
    runtime.facts = RuntimeFacts(file="model.onnx", served_by="ort-cpu")
    assert Model(runtime).facts == runtime.facts


def test_every_choice_reaches_the_runtime(tmp_path, monkeypatch):
    opened = []

    def open_fake(bundle, options):
        opened.append(options)
        return FakeRuntime()

    monkeypatch.setitem(registry.RUNTIMES, "fake", ENTRY)
    monkeypatch.setattr("tests.fakes.runtime.open_fake", open_fake)
    choices: dict[str, Any] = {
        "threads": 3,
        "precision": "fp16",
        "tf32": True,
        "on_mismatch": "rebuild",
        "provider_options": {"use_tf32": "0"},
        "trust_factory": True,
        "trust_engine_code": True,
    }
    bundle = doubling_bundle(tmp_path / "b")
    open_runtime(bundle, runtime="fake", **choices)
    open_runtime(bundle, runtime="fake")
    assert opened == [OpenOptions(**choices), OpenOptions()]


@pytest.mark.parametrize("choice", [{"precision": "int4"}, {"on_mismatch": "ignore"}])
def test_an_unknown_choice_is_refused_by_its_option(tiny_bundle, choice):
    (name,) = choice
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} .*: expected one of"):
        open_runtime(tiny_bundle, runtime="ort-cpu", **choice)


def test_leaving_the_block_closes():
    runtime = FakeRuntime()
    with Model(runtime) as model:
        assert model.inputs[0].name == "x"
        assert model.outputs[0].name == "y"
    assert runtime.calls == ["close"]


def test_an_error_in_the_block_closes_and_goes_on():
    runtime = FakeRuntime()
    with pytest.raises(KeyError), Model(runtime):
        raise KeyError
    assert runtime.calls == ["close"]


def test_a_closed_model_says_what_to_call():
    model = Model(FakeRuntime())
    model.close()
    with pytest.raises(InferenceError, match="open_runtime"):
        model(ones())


@pytest.mark.parametrize("kind", [str, "path", "bundle"])
def test_a_bundle_is_opened_from_a_string_a_path_or_itself(tiny_bundle, kind):
    given = {str: str(tiny_bundle.root), "path": tiny_bundle.root, "bundle": tiny_bundle}[kind]
    sample = tiny_bundle.golden().at_batch(2)
    with open_runtime(given, runtime="ort-cpu") as model:
        got = model(sample.inputs["input"])
    np.testing.assert_allclose(got, sample.outputs["output"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("given", [[[0.0] * 18], 1.5, None, "x"], ids=str)
def test_what_is_no_array_is_refused_with_what_it_is(tiny_bundle, given):
    with (
        open_runtime(tiny_bundle, runtime="ort-cpu") as model,
        pytest.raises(InferenceError, match=type(given).__name__),
    ):
        model(given)


def test_a_torch_tensor_is_refused_by_its_name(tiny_bundle):
    tensor: Any = torch.zeros(2, 18)
    with (
        open_runtime(tiny_bundle, runtime="ort-cpu") as model,
        pytest.raises(InferenceError, match="is a Tensor, expected a numpy array"),
    ):
        model(tensor)


def test_an_unknown_runtime_is_refused(tiny_bundle):
    with pytest.raises(UsageError, match="unknown runtime 'ort'; known: eager"):
        open_runtime(tiny_bundle, runtime="ort")


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleError, match=MANIFEST_NAME):
        open_runtime(tmp_path, runtime="ort-cpu")
