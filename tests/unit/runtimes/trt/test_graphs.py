import numpy as np
import pytest

from spinn_edge.core.errors import InferenceError
from spinn_edge.runtimes.base import infer
from spinn_edge.runtimes.trt.graphs import KEPT_SHAPES
from tests.fakes.trt import FEATURES, FLOAT32, MAX_BATCH, Bench


def samples(rows, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, FEATURES)).astype(FLOAT32)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def runtime(bench):
    """A runtime whose buffers have their full size already."""
    runtime = bench.open()
    infer(runtime, {"input": samples(MAX_BATCH)})
    bench.cudart.counts.clear()
    return runtime


def check(bench, runtime, batch, seed=0):
    """Run one inference and compare it with ONNX Runtime."""
    x = samples(batch, seed)
    np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))


def test_shape_is_captured_once_and_replayed(bench, runtime):
    for seed in range(5):
        check(bench, runtime, 4, seed)
    assert bench.cudart.counts["cudaStreamBeginCapture"] == 1
    assert bench.cudart.counts["cudaGraphLaunch"] == 5


def test_shape_that_comes_back_is_not_captured_again(bench, runtime):
    for seed, batch in enumerate((1, 2, 7, MAX_BATCH, 1, 7, 2, 1)):
        check(bench, runtime, batch, seed)
    assert bench.cudart.counts["cudaStreamBeginCapture"] == 3
    assert bench.cudart.counts["cudaGraphLaunch"] == 8
    assert len(bench.engine.contexts) == len(bench.cudart.graphs) == 4


def test_run_after_the_first_bind_is_a_launch_and_nothing_else(bench, runtime):
    runtime.bind({"input": samples(4)})
    bench.cudart.calls.clear()
    runtime.run()
    assert bench.cudart.calls == ["cudaGraphLaunch"]


def test_warm_inference_waits_once(bench, runtime):
    check(bench, runtime, 4)
    bench.cudart.calls.clear()
    check(bench, runtime, 4, seed=1)
    assert bench.cudart.calls == [
        *("cudaMemcpyAsync", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaStreamSynchronize")
    ]


def test_least_recently_used_shape_is_freed(bench, runtime):
    for batch in range(1, KEPT_SHAPES):
        check(bench, runtime, batch)
    assert len(bench.engine.contexts) == len(bench.cudart.graphs) == KEPT_SHAPES
    check(bench, runtime, MAX_BATCH)  # the oldest, so that batch 1 is the oldest now
    bench.cudart.counts.clear()
    check(bench, runtime, 20)
    assert len(bench.engine.contexts) == len(bench.cudart.graphs) == KEPT_SHAPES
    assert bench.cudart.counts["cudaGraphExecDestroy"] == 1
    for batch in (MAX_BATCH, 2, 20):
        check(bench, runtime, batch)
    assert bench.cudart.counts["cudaStreamBeginCapture"] == 1
    check(bench, runtime, 1)
    assert bench.cudart.counts["cudaStreamBeginCapture"] == 2


def test_eviction_waits_for_work_in_flight(bench, runtime):
    for batch in range(1, KEPT_SHAPES):
        check(bench, runtime, batch)
    runtime.bind({"input": samples(MAX_BATCH)})
    runtime.run()
    for batch in range(20, 20 + KEPT_SHAPES):  # the fake asserts that nothing in flight is freed
        runtime.bind({"input": samples(batch)})
        runtime.run()
    runtime.close()
    assert bench.held() == 0


def test_buffers_that_move_drop_every_graph(bench):
    runtime = bench.open()
    for batch in (1, 2):
        check(bench, runtime, batch)
    bench.cudart.counts.clear()
    check(bench, runtime, 3)
    assert bench.cudart.counts["cudaGraphExecDestroy"] >= 1
    assert len(bench.engine.contexts) == len(bench.cudart.graphs) == 1
    for batch in (1, 2, 3):
        check(bench, runtime, batch, seed=7)


def test_growth_that_fails_drops_every_graph_and_leaves_a_runtime_that_works(bench):
    runtime = bench.open()
    check(bench, runtime, 2)
    bench.cudart.refuse["cudaMalloc"] = {4}  # the input has moved already when the output fails
    with pytest.raises(InferenceError, match="cudaMalloc"):
        runtime.bind({"input": samples(40)})
    assert not bench.cudart.graphs
    assert not bench.engine.contexts
    check(bench, runtime, 2)
    check(bench, runtime, 40)


@pytest.mark.parametrize("function", ["cudaStreamSynchronize", "cudaGraphExecDestroy"])
def test_refused_eviction_frees_the_shape_all_the_same(bench, runtime, function):
    for batch in range(1, KEPT_SHAPES):
        check(bench, runtime, batch)
    bench.cudart.refuse[function] = {bench.cudart.counts[function] + 1}
    with pytest.raises(InferenceError, match=function):
        runtime.bind({"input": samples(20)})
    assert len(bench.engine.contexts) == len(bench.cudart.graphs) == KEPT_SHAPES - 1
    check(bench, runtime, 20)


# --- shapes that cannot be captured


@pytest.mark.parametrize("culprit", ["TensorRT", "CUDA"])
def test_shape_that_cannot_be_captured_runs_without_a_graph_and_says_so(bench, runtime, culprit):
    if culprit == "TensorRT":
        bench.engine.refuse.add("capture")
    else:
        bench.cudart.refuse["cudaStreamEndCapture"] = {1}
    for seed in range(3):
        check(bench, runtime, MAX_BATCH, seed)
        check(bench, runtime, 4, seed)
    assert runtime.facts.cuda_graph is False
    (notice,) = runtime.facts.notices
    assert "without a CUDA graph" in notice
    assert (
        "TensorRT refused to run" if culprit == "TensorRT" else "cudaStreamEndCapture"
    ) in notice
    assert bench.cudart.counts["cudaGraphLaunch"] == 3  # of the other shape
    assert bench.cudart.counts["cudaStreamBeginCapture"] == 1  # it is not tried again and again
    assert runtime.count_launches() is None


def test_facts_speak_of_the_shapes_that_are_bound(bench, runtime):
    bench.cudart.refuse["cudaGraphInstantiate"] = {1}
    for batch, captured in ((4, False), (5, True), (4, False), (MAX_BATCH, True)):
        check(bench, runtime, batch)
        assert runtime.facts.cuda_graph is captured
    assert len(runtime.facts.notices) == 1


def test_many_shapes_that_cannot_be_captured_give_one_notice(bench, runtime):
    bench.engine.refuse.add("capture")
    for batch in range(1, 20):
        check(bench, runtime, batch)
    assert len(runtime.facts.notices) == 1


def test_first_run_that_fails_is_tried_again(bench, runtime):
    bench.engine.refuse.add("execute_async_v3")
    with pytest.raises(InferenceError, match="TensorRT refused to run"):
        runtime.bind({"input": samples(4)})
    with pytest.raises(InferenceError, match="call bind first"):
        runtime.run()
    bench.engine.refuse.clear()
    check(bench, runtime, 4)
    assert runtime.facts.cuda_graph
    assert runtime.facts.notices == ()


# --- launches


def test_launches_are_the_kernels_of_the_graph(bench, runtime):
    bench.engine.kernels = 5
    runtime.bind({"input": samples(4)})
    assert runtime.count_launches() == 5
