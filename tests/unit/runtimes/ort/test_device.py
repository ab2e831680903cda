"""Running, timing, failing and closing, on a device made of host memory."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from spinn_edge.core.errors import (
    InferenceError,
    RuntimeUnavailableError,
)
from spinn_edge.runtimes.base import LEAD_RUNS, DeviceRuntime, infer
from spinn_edge.runtimes.ort import device as ort_device
from tests.fakes.ort import FLOAT32, KERNELS, WEIGHTS, Bench, Session, onnx_bundle


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "bundle")


def samples(batch, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3)).astype(FLOAT32)


def expected(x):
    return np.tanh(x @ WEIGHTS)


def assert_right(runtime, batch, seed=0):
    x = samples(batch, seed)
    np.testing.assert_allclose(infer(runtime, {"x": x})["y"], expected(x), atol=1e-6)


@pytest.fixture(params=[False, True], ids=["plain", "graph"])
def graph(request):
    return request.param


# --- running


def test_outputs_are_right_at_changing_batches(bench, graph):
    runtime = bench.open(graph)
    for seed, batch in enumerate((1, 7, 2, 7, 16, 1, 16)):
        assert_right(runtime, batch, seed)


def test_bound_inputs_are_the_runtimes_own(bench, graph):
    runtime = bench.open(graph)
    x = samples(4)
    wanted = expected(x)
    runtime.bind({"x": x})
    x[:] = 0
    runtime.run()
    np.testing.assert_allclose(runtime.fetch()["y"], wanted, atol=1e-6)


def test_binding_again_while_copies_are_in_flight_does_not_disturb_them(bench):
    runtime = bench.open()
    runtime.bind({"x": samples(4, seed=1)})
    assert_right(runtime, 4, seed=2)


def test_run_only_enqueues_and_sync_waits(bench):
    runtime = bench.open()
    runtime.bind({"x": samples(2)})
    before = bench.cudart.calls.count("cudaStreamSynchronize")
    runtime.run()
    assert bench.cudart.calls.count("cudaStreamSynchronize") == before
    runtime.sync()
    assert bench.cudart.calls.count("cudaStreamSynchronize") == before + 1


def test_fetched_arrays_survive_the_next_run(bench):
    runtime = bench.open()
    first = infer(runtime, {"x": samples(4, seed=1)})["y"]
    kept = first.copy()
    assert_right(runtime, 4, seed=2)
    np.testing.assert_array_equal(first, kept)


def test_buffers_stay_while_the_batch_fits(bench):
    runtime = bench.open()
    for batch, allocations in ((4, 2), (2, 2), (4, 2), (5, 4)):
        assert_right(runtime, batch)
        assert bench.cudart.calls.count("cudaMalloc") == allocations


def test_a_refused_feed_keeps_what_was_bound(bench):
    runtime = bench.open()
    x = samples(2)
    runtime.bind({"x": x})
    with pytest.raises(InferenceError, match=r"float32 \[2, 2\]"):
        runtime.bind({"x": x[:, :2]})
    runtime.run()
    np.testing.assert_allclose(runtime.fetch()["y"], expected(x), atol=1e-6)


@pytest.mark.parametrize("graph", [False, True], ids=["plain", "graph"])
def test_ten_thousand_runs_hold_no_more_than_the_first_hundred(bench, graph):
    runtime = bench.open(graph)
    held = 0
    for number in range(10_000):
        runtime.bind({"x": samples(1 + number % 3)})
        runtime.run()
        if number % 50 == 0:
            runtime.fetch()
        if number == 100:
            held = bench.cudart.held()
        if len(bench.cudart.calls) > 1000:  # the fake counts calls by walking through them
            del bench.cudart.calls[:]
            bench.session.ids.clear()
    assert bench.cudart.held() == held
    runtime.close()
    assert bench.cudart.held() == 0


# --- graphs


def test_each_shape_has_a_graph_of_its_own_that_is_used_again(bench):
    runtime = bench.open(graph=True)
    for batch in (4, 2, 4, 2):
        assert_right(runtime, batch)
    assert bench.session.ids == ["1", "2", "1", "2"]


def test_a_graph_that_knows_an_address_which_moved_is_let_go(bench):
    runtime = bench.open(graph=True)
    for batch in (2, 4, 2):
        assert_right(runtime, batch)
    assert bench.session.ids == ["1", "2", "3"]
    assert bench.session.released == [1]


def test_an_onnxruntime_that_cannot_release_graphs_still_gets_new_ones(bench, monkeypatch):
    monkeypatch.delattr(Session, "release_captured_graph")
    runtime = bench.open(graph=True)
    for batch in (2, 4, 2):
        assert_right(runtime, batch)
    assert bench.session.ids == ["1", "2", "3"]


def test_growth_that_fails_half_way_lets_go_of_the_graphs_too(bench):
    runtime = bench.open(graph=True)
    assert_right(runtime, 2)
    bench.cudart.refuse["cudaMalloc"] = {4}  # the input has moved by then, the output has not
    with pytest.raises(InferenceError, match="cudaMalloc"):
        runtime.bind({"x": samples(8)})
    assert_right(runtime, 2)
    assert bench.session.ids == ["1", "2"]


def test_more_shapes_than_graphs_are_refused_in_words(bench, monkeypatch):
    monkeypatch.setattr(ort_device, "MAX_GRAPHS", 2)
    runtime = bench.open(graph=True)
    for batch in (8, 4):
        assert_right(runtime, batch)
    with pytest.raises(InferenceError, match=r"2 CUDA graphs were captured.*use ort-cuda"):
        runtime.bind({"x": samples(2)})
    assert_right(runtime, 4)  # a known shape goes on


def test_without_graphs_no_graph_is_asked_for(bench):
    runtime = bench.open()
    assert_right(runtime, 2)
    assert bench.ort.options["enable_cuda_graph"] == "0"
    assert runtime.facts.cuda_graph is False


# --- timing


def test_stages_are_timed_between_events(bench, graph):
    runtime = bench.open(graph)
    assert isinstance(runtime, DeviceRuntime)
    runtime.bind({"x": samples(2)})
    stages = runtime.time_stages()
    piece_s = bench.cudart.work_ns / 1e9
    assert stages.upload_s == pytest.approx(piece_s)
    assert stages.compute_s == pytest.approx(KERNELS * piece_s)
    assert stages.download_s == pytest.approx(piece_s)
    np.testing.assert_allclose(runtime.fetch()["y"], expected(samples(2)), atol=1e-6)


def test_the_first_run_of_a_shape_is_not_the_one_that_is_timed(bench):
    runtime = bench.open(graph=True)
    runtime.bind({"x": samples(2)})
    runtime.time_stages()
    first, each_time = 1, LEAD_RUNS + 1
    assert bench.session.ids == ["1"] * (first + each_time)
    runtime.time_stages()
    assert bench.session.ids == ["1"] * (first + 2 * each_time)


def test_launches_are_counted_by_capturing_one_run(bench, graph):
    runtime = bench.open(graph)
    runtime.bind({"x": samples(2)})
    held = bench.cudart.held()
    assert runtime.count_launches() == KERNELS
    assert bench.cudart.held() == held
    if graph:
        assert bench.session.ids == ["1", "-1", "-1"]
    assert_right(runtime, 2)


def test_launches_are_unknown_where_a_run_cannot_be_captured(bench):
    runtime = bench.open()
    runtime.bind({"x": samples(2)})
    bench.cudart.refuse["cudaStreamEndCapture"] = {1}
    assert runtime.count_launches() is None
    assert_right(runtime, 2)


# --- outputs of a size that is known only after the run


def unsized(tmp_path):
    bench = Bench(tmp_path / "other")
    bench.bundle = onnx_bundle(
        tmp_path / "unsized",
        [helper.make_node("NonZero", ["x"], ["i"]), helper.make_node("Transpose", ["i"], ["y"])],
        ["batch", 3], ["found", "two"], TensorProto.INT64, np.int64,
    )  # fmt: skip
    return bench


def test_outputs_of_unknown_size_are_fetched_all_the_same(tmp_path):
    bench = unsized(tmp_path)
    runtime = bench.open()
    for row in ([1, 0, 1], [1, 0, 0], [1, 1, 1]):
        found = infer(runtime, {"x": np.array([row], FLOAT32)})["y"]
        np.testing.assert_array_equal(found[:, 1], np.flatnonzero(row))
    assert not isinstance(runtime, DeviceRuntime)
    runtime.close()
    assert bench.cudart.held() == 0


def test_outputs_of_unknown_size_are_refused_where_graphs_are_wanted(tmp_path):
    with pytest.raises(RuntimeUnavailableError, match="size is known before the run; use ort-cuda"):
        unsized(tmp_path).open(graph=True)


# --- failures


@pytest.mark.parametrize("function", ["cudaMalloc", "cudaHostAlloc", "cudaMemcpyAsync"])
def test_a_failing_bind_names_the_call_and_leaves_a_runtime_that_works(bench, graph, function):
    runtime = bench.open(graph)
    bench.cudart.refuse[function] = {1}
    with pytest.raises(InferenceError, match=f"{function} failed"):
        runtime.bind({"x": samples(2)})
    with pytest.raises(InferenceError, match="call bind first"):
        runtime.run()
    assert_right(runtime, 2)


def test_a_failing_run_is_in_onnxruntimes_words_and_leaves_nothing_to_fetch(bench):
    runtime = bench.open()
    assert_right(runtime, 2)
    bench.ort.refuse_runs = "CUDA failure 700: an illegal memory access was encountered"
    with pytest.raises(InferenceError, match="ONNX Runtime failed: CUDA failure 700") as caught:
        runtime.run()
    assert "smaller batch" not in str(caught.value)
    with pytest.raises(InferenceError, match="nothing has run"):
        runtime.fetch()


def test_too_little_memory_suggests_a_smaller_batch(bench):
    runtime = bench.open()
    runtime.bind({"x": samples(2)})
    bench.ort.refuse_runs = "BFCArena: Failed to allocate memory for requested buffer of size 9"
    with pytest.raises(InferenceError, match="use a smaller batch"):
        runtime.run()


def test_a_failure_on_the_stream_is_seen_when_fetching(bench):
    runtime = bench.open()
    runtime.bind({"x": samples(2)})
    runtime.run()
    calls = bench.cudart.calls.count("cudaStreamSynchronize")
    bench.cudart.refuse["cudaStreamSynchronize"] = {calls + 1}
    with pytest.raises(InferenceError, match="cudaStreamSynchronize failed"):
        runtime.fetch()


# --- closing


def test_close_frees_all_and_a_second_call_does_nothing(bench, graph):
    runtime = bench.open(graph)
    assert_right(runtime, 2)
    runtime.bind({"x": samples(2)})
    runtime.run()  # in flight when the runtime closes
    runtime.close()
    assert bench.cudart.held() == 0
    calls = list(bench.cudart.calls)
    runtime.close()
    assert bench.cudart.calls == calls


def test_the_session_goes_before_its_stream(bench):
    runtime = bench.open()
    assert_right(runtime, 2)
    streams_at_the_end = []

    class Watcher:
        def __del__(self):
            streams_at_the_end.append(len(bench.cudart.streams))

    bench.session.watcher = Watcher()
    bench.ort.sessions.clear()
    runtime.close()
    assert streams_at_the_end == [1]


@pytest.mark.parametrize("function", ["cudaStreamSynchronize", "cudaFree", "cudaStreamDestroy"])
def test_close_frees_all_even_where_cuda_refuses_and_says_so(bench, function):
    runtime = bench.open()
    assert_right(runtime, 2)
    bench.cudart.refuse[function] = {bench.cudart.calls.count(function) + 1}
    with pytest.raises(InferenceError, match=function):
        runtime.close()
    assert bench.cudart.held() == 0


def test_a_closed_runtime_says_so(bench):
    runtime = bench.open()
    runtime.close()
    for call in (lambda: runtime.bind({"x": samples(1)}), runtime.run, runtime.sync, runtime.fetch,
                 runtime.time_stages, runtime.count_launches):  # fmt: skip
        with pytest.raises(InferenceError, match="was closed"):
            call()


def test_nothing_is_fetched_between_bind_and_run(bench):
    runtime = bench.open()
    assert_right(runtime, 2)
    runtime.bind({"x": samples(2)})
    with pytest.raises(InferenceError, match="nothing has run"):
        runtime.fetch()
