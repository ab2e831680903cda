import dataclasses

import numpy as np
import pytest
import torch

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError, RuntimeUnavailableError, UsageError
from spinn_edge.core.manifest import Architecture
from spinn_edge.runtimes import open_runtime, registry
from spinn_edge.runtimes.base import OpenOptions, infer, only_file
from spinn_edge.runtimes.pytorch.module import TorchRuntime, flatten_outputs, set_threads
from tests.fakes.runtime import doubling_bundle


@pytest.fixture
def threads_restored():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def open_on(tmp_path, threads_restored):
    """Put a function of tensors behind the protocol of a model with input x and output y."""

    def open_on(function, threads=1):
        bundle = doubling_bundle(tmp_path / "bundle")
        return TorchRuntime(function, bundle.manifest, threads=threads)

    return open_on


def feeds(rows=2):
    return {"x": np.ones((rows, 3), np.float32)}


@pytest.mark.parametrize("wrap", [lambda y: y, lambda y: (y,), lambda y: [y], lambda y: {"y": y}])
def test_one_output_is_found_however_it_is_wrapped(open_on, wrap):
    runtime = open_on(lambda x: wrap(2 * x))
    np.testing.assert_array_equal(infer(runtime, feeds())["y"], np.full((2, 3), 2, np.float32))


def test_several_outputs_are_flattened_in_their_order():
    a, b = torch.zeros(1), torch.ones(1)
    assert flatten_outputs((a, b)) == [a, b]
    assert flatten_outputs({"b": b, "a": a}) == [b, a]
    assert flatten_outputs(a) == [a]


def test_an_error_of_the_model_is_wrapped_and_chained(open_on):
    def forward(x):
        raise ZeroDivisionError("by their own code\nsecond line")

    with pytest.raises(InferenceError, match=r"ZeroDivisionError.*by their own code") as caught:
        infer(open_on(forward), feeds())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "second line" not in str(caught.value)


def test_no_gradients_are_recorded(open_on):
    weight = torch.ones(3, requires_grad=True)
    recorded = []

    def forward(x):
        result = x * weight
        recorded.append(result.requires_grad)
        return result

    infer(open_on(forward), feeds())
    assert recorded == [False]


def test_input_tensors_are_kept_from_call_to_call(open_on):
    seen = []

    def forward(x):
        seen.append(x.data_ptr())
        return 2 * x

    runtime = open_on(forward)
    for rows in (2, 2, 5):
        infer(runtime, feeds(rows))
    assert seen[0] == seen[1]


def test_a_model_that_returns_its_input_does_not_hand_out_the_buffer(open_on):
    runtime = open_on(lambda x: x)
    first = infer(runtime, feeds())["y"]
    infer(runtime, {"x": np.zeros((2, 3), np.float32)})
    assert first.min() == 1


def test_a_failed_run_leaves_nothing_to_fetch(open_on):
    def forward(x):
        if x.shape[0] == 5:
            raise ValueError("five")
        return 2 * x

    runtime = open_on(forward)
    infer(runtime, feeds())
    runtime.bind(feeds(5))
    with pytest.raises(InferenceError, match="five"):
        runtime.run()
    with pytest.raises(InferenceError):
        runtime.fetch()


def test_threads_are_set_for_the_process(open_on):
    open_on(lambda x: x, threads=2)
    assert torch.get_num_threads() == 2


def test_threads_that_are_right_already_are_not_set_again(threads_restored):
    class Torch:
        def get_num_threads(self):
            return 3

        def set_num_threads(self, threads):
            raise AssertionError("set again")

    set_threads(Torch(), 3)


def test_fewer_than_one_thread_is_refused():
    with pytest.raises(UsageError, match="threads must be at least 1, got 0"):
        set_threads(torch, 0)


@pytest.mark.parametrize(
    ("name", "format_name"),
    [("eager", "weights"), ("compile", "weights"), ("torchscript", "torchscript"), ("pt2", "pt2")],
)
def test_the_facts_name_the_file_and_the_device(tiny_bundle, threads_restored, name, format_name):
    facts = registry.open_backend(name, tiny_bundle, OpenOptions()).facts
    assert facts.file == only_file(tiny_bundle, format_name).path
    assert (facts.device, facts.tf32, facts.cuda_graph) == ("cpu", None, False)


# --- eager and compile


@pytest.mark.parametrize("name", ["eager", "compile"])
def test_a_bundle_of_an_exported_file_has_no_eager_form(tiny_bundle, name):
    manifest = dataclasses.replace(tiny_bundle.manifest, architecture=Architecture(kind="file"))
    bundle = Bundle(root=tiny_bundle.root, manifest=manifest)
    with pytest.raises(RuntimeUnavailableError, match="has no eager form; export again"):
        open_runtime(bundle, runtime=name)


def test_compile_without_a_compiler_says_what_to_install(tiny_bundle, monkeypatch):
    monkeypatch.setenv("CXX", "/no/such/compiler")
    with pytest.raises(RuntimeUnavailableError, match=r"C\+\+ compiler.*apt-get install g\+\+"):
        open_runtime(tiny_bundle, runtime="compile")


def test_compile_does_not_go_on_in_eager_when_torch_stops_compiling(tiny_bundle):
    sample = tiny_bundle.golden()
    torch.compiler.reset()
    runtime = registry.open_backend("compile", tiny_bundle, OpenOptions())
    try:
        with torch._dynamo.config.patch(recompile_limit=1):
            infer(runtime, sample.at_batch(2).inputs)
            with pytest.raises(InferenceError, match=r"stops at batch 7.*recompile_limit"):
                infer(runtime, sample.at_batch(7).inputs)
    finally:
        runtime.close()
        torch.compiler.reset()


def test_compile_does_not_go_on_in_eager_at_a_graph_break(tiny_bundle, monkeypatch):
    class Breaking(torch.nn.Module):
        def forward(self, x):
            torch._dynamo.graph_break()
            return x[:, :2]

    monkeypatch.setattr(
        "spinn_edge.runtimes.pytorch.compiled.eager_module", lambda bundle, options: Breaking()
    )
    with (
        open_runtime(tiny_bundle, runtime="compile") as model,
        pytest.raises(InferenceError, match="PyTorch failed"),
    ):
        model(np.zeros((2, 18), np.float32))
    torch.compiler.reset()
