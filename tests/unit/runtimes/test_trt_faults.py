"""Every refusal of CUDA and of TensorRT, one after the other, and ten thousand runs without one."""

import gc
import tracemalloc

import numpy as np
import pytest

from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.runtimes.base import infer
from spinn_edge.runtimes.trt.graphs import KEPT_SHAPES
from tests.fakes.trt import FEATURES, FLOAT32, MAX_BATCH, Bench

GRAPH, NO_GRAPH, RTX = ("tensorrt", True), ("tensorrt", False), ("tensorrt_rtx", True)
CALLS = {  # of CUDA, by the way of running that makes them
    GRAPH: {
        *("cudaStreamCreateWithFlags", "cudaStreamDestroy", "cudaStreamSynchronize"),
        *("cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaFreeHost", "cudaMemcpyAsync"),
        *("cudaEventCreate", "cudaEventRecord", "cudaEventElapsedTime", "cudaEventDestroy"),
        *("cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphGetNodes"),
        *("cudaGraphNodeGetType", "cudaGraphInstantiate", "cudaGraphDestroy"),
        *("cudaGraphLaunch", "cudaGraphExecDestroy"),
    }
}
CALLS[NO_GRAPH] = CALLS[GRAPH] - {"cudaGraphLaunch"}
CALLS[RTX] = {name for name in CALLS[NO_GRAPH] if "Graph" not in name and "Capture" not in name}
# A graph that cannot be had, or counted in, is done without and said.
DONE_WITHOUT = {
    *("cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphGetNodes"),
    *("cudaGraphNodeGetType", "cudaGraphInstantiate", "cudaGraphDestroy"),
}


def samples(rows, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, FEATURES)).astype(FLOAT32)


FEEDS = {batch: {"input": samples(batch)} for batch in (*range(1, 21), MAX_BATCH)}


def use_everything(bench, graphs):
    """Go through all that a runtime can do.

    Returns:
        The text of the first error, empty when there was none; and the facts.
    """
    error, runtime, facts = "", None, None
    try:
        runtime = bench.open(graphs=graphs)
        for batch in (1, 2, MAX_BATCH, *range(1, KEPT_SHAPES + 2), MAX_BATCH):
            outputs = infer(runtime, FEEDS[batch])
            expected = bench.expected(FEEDS[batch]["input"])
            np.testing.assert_array_equal(outputs["output"], expected)
        runtime.time_stages()
        runtime.count_launches()
        runtime.run()
        runtime.sync()
    except SpinnEdgeError as exc:
        error = str(exc)  # the exception's frames would keep contexts alive
    finally:
        if runtime is not None:
            facts = runtime.facts
            try:
                runtime.close()
            except SpinnEdgeError as exc:
                error = error or str(exc)
    return error, facts


CASES = [(*way, function) for way, functions in CALLS.items() for function in sorted(functions)]


@pytest.mark.parametrize(("name", "graphs"), CALLS)
def test_these_are_all_the_functions_of_cuda_that_are_called(tmp_path, name, graphs):
    bench = Bench(tmp_path, name)
    error, facts = use_everything(bench, graphs)
    assert not error
    assert facts.notices == ()
    assert set(bench.cudart.counts) == CALLS[name, graphs]
    assert bench.held() == 0


@pytest.mark.parametrize(("name", "graphs", "function"), CASES)
def test_each_refused_call_of_cuda_is_an_error_of_ours_and_leaks_nothing(
    tmp_path, name, graphs, function
):
    bench = Bench(tmp_path, name)
    use_everything(bench, graphs)
    total = bench.cudart.counts[function]
    assert total
    for call in {1, 2, 3, total // 2, total - 1, total} & set(range(1, total + 1)):
        bench.cudart.counts.clear()
        bench.cudart.refuse = {function: {call}}
        error, facts = use_everything(bench, graphs)
        if function in DONE_WITHOUT or (function == "cudaGraphExecDestroy" and not graphs):
            assert not error
            assert (function in "".join(facts.notices)) is graphs
        else:
            assert function in error, f"call {call}"
        assert bench.held() == 0, f"call {call}"


@pytest.mark.parametrize(("name", "graphs"), CALLS)
def test_device_that_fails_for_good_is_an_error_of_ours_at_any_moment(tmp_path, name, graphs):
    bench = Bench(tmp_path, name)
    use_everything(bench, graphs)
    total = bench.cudart.counts.total()
    for calls in (*range(0, total, 11), total - 1):
        bench.cudart.counts.clear()
        bench.cudart.broken_from = calls
        error, _ = use_everything(bench, graphs)
        assert "cudaErrorIllegalAddress" in error, f"after {calls} calls"
        assert bench.held() == 0, f"after {calls} calls"


@pytest.mark.parametrize(("name", "graphs"), CALLS)
@pytest.mark.parametrize(
    "method",
    [
        *("create_execution_context", "set_input_shape", "get_tensor_shape", "set_tensor_address"),
        *("execute_async_v3", "set_optimization_profile_async"),
    ],
)
def test_each_refusal_of_tensorrt_is_an_error_of_ours_and_leaks_nothing(
    tmp_path, name, graphs, method
):
    bench = Bench(tmp_path, name)
    bench.engine.num_optimization_profiles = 2
    bench.engine.refuse.add(method)
    error, _ = use_everything(bench, graphs)
    assert "TensorRT" in error or "makes no context" in error
    assert bench.held() == 0


@pytest.mark.parametrize(("name", "graphs"), [GRAPH, RTX])
def test_ten_thousand_runs_hold_no_more_than_the_first_hundred(tmp_path, name, graphs):
    bench = Bench(tmp_path, name)
    runtime = bench.open(graphs=graphs)
    batches = [MAX_BATCH, *range(1, 21)]  # more shapes than are kept

    def run(times):
        for number in range(times):
            if number % 50 == 0:  # new shapes now and then, as an application would have them
                batch = batches[number // 50 % len(batches)]
                bench.cudart.calls.clear()
            infer(runtime, FEEDS[batch if number % 2 else MAX_BATCH])

    for batch in batches:
        infer(runtime, FEEDS[batch])
    tracemalloc.start()
    try:
        run(100)
        gc.collect()
        held, contexts = bench.held(), len(bench.engine.contexts)
        before, _ = tracemalloc.get_traced_memory()
        run(10_000)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (bench.held(), len(bench.engine.contexts)) == (held, contexts)
    assert after - before < 100_000  # ten bytes a run; no Python object is as small
    runtime.close()
    assert bench.held() == 0
