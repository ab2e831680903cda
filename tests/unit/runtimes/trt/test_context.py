"""One context for all shapes: what ``trt-no-graph`` runs on."""

import numpy as np
import pytest

from spinn_edge.core.errors import InferenceError
from spinn_edge.runtimes.base import infer
from tests.fakes.trt import FEATURES, FLOAT32, Bench


def samples(rows, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, FEATURES)).astype(FLOAT32)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def runtime(bench):
    return bench.open(graphs=False)


def test_shapes_are_set_when_they_change_and_not_before(bench, runtime):
    for batch, changes in ((4, 1), (4, 1), (7, 2), (7, 2), (4, 3)):
        x = samples(batch)
        np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))
        assert bench.engine.shape_calls == changes
    assert len(bench.engine.contexts) == 1
    assert bench.cudart.counts["cudaStreamBeginCapture"] == 0


def test_shapes_change_only_when_nothing_is_in_flight(bench, runtime):
    runtime.bind({"input": samples(4)})
    runtime.run()
    x = samples(3)
    runtime.bind({"input": x})  # the fake asserts it
    runtime.run()
    np.testing.assert_array_equal(runtime.fetch()["output"], bench.expected(x))


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("set_input_shape", r"TensorRT refused \(2, 18\) for input 'input'"),
        ("get_tensor_shape", "no shape for output 'output'"),
        ("set_tensor_address", "TensorRT refused a buffer for 'input'"),
    ],
)
def test_refused_binding_is_reported_and_tried_again(bench, method, words, graphs):
    runtime = bench.open(graphs=graphs)
    bench.engine.refuse.add(method)
    with pytest.raises(InferenceError, match=words):
        runtime.bind({"input": samples(2)})
    with pytest.raises(InferenceError, match="call bind first"):
        runtime.run()
    bench.engine.refuse.clear()
    x = samples(2)
    np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))
    runtime.close()
    assert bench.held() == 0


def test_refused_run_is_reported(bench, runtime):
    runtime.bind({"input": samples(2)})
    bench.engine.refuse.add("execute_async_v3")
    with pytest.raises(InferenceError, match="TensorRT refused to run"):
        runtime.run()


@pytest.mark.parametrize("graphs", [True, False])
def test_output_shape_that_depends_on_data_is_refused(bench, graphs):
    bench.engine.output_shape = (-1, 2)
    runtime = bench.open(graphs=graphs)
    with pytest.raises(InferenceError, match="the shape of 'output' depends on data"):
        runtime.bind({"input": samples(2)})


# --- launches


def test_launches_are_counted_once_on_a_context_that_is_freed_again(bench, runtime):
    x = samples(2)
    runtime.bind({"input": x})
    held = bench.held()
    assert runtime.count_launches() == bench.engine.kernels
    assert bench.held() == held
    assert runtime.count_launches() == bench.engine.kernels
    assert bench.cudart.counts["cudaStreamBeginCapture"] == 1
    runtime.run()
    np.testing.assert_array_equal(runtime.fetch()["output"], bench.expected(x))


def test_launches_are_counted_again_for_other_shapes(bench, runtime):
    runtime.bind({"input": samples(2)})
    runtime.count_launches()
    bench.engine.kernels = 9
    runtime.bind({"input": samples(3)})
    assert runtime.count_launches() == 9


@pytest.mark.parametrize("method", ["create_execution_context", "capture", "execute_async_v3"])
def test_launches_that_cannot_be_counted_are_unknown_and_leave_nothing(bench, runtime, method):
    runtime.bind({"input": samples(2)})
    held = bench.held()
    bench.engine.refuse.add(method)
    assert runtime.count_launches() is None
    assert bench.held() == held
    bench.engine.refuse.clear()
    runtime.run()
    np.testing.assert_array_equal(runtime.fetch()["output"], bench.expected(samples(2)))
