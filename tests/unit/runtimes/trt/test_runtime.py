import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest

from spinn_edge.core.bundle import describe_file
from spinn_edge.core.errors import InferenceError, RuntimeUnavailableError
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes.base import DeviceRuntime, RuntimeFacts, infer
from spinn_edge.runtimes.nvidia.driver import find_device
from spinn_edge.runtimes.trt.runtime import TensorRTRuntime
from tests.fakes.trt import FEATURES, FLOAT32, MAX_BATCH, Bench, fake_backend, make_bundle
from tests.fakes.trt_engine import FakeEngine

WAYS = [("tensorrt", True), ("tensorrt", False), ("tensorrt_rtx", True), ("tensorrt_rtx", False)]


def has_driver():
    try:
        find_device()
    except RuntimeUnavailableError:
        return False
    return True


def samples(rows, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, FEATURES)).astype(FLOAT32)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{'graph' if way[1] else 'no-graph'}")
def way(request, tmp_path):
    """A bench and a runtime of it, for each package with and without graphs."""
    name, graphs = request.param
    bench = Bench(tmp_path, name)
    return bench, bench.open(graphs=graphs)


# --- opening


def test_facts_say_what_was_loaded(bench):
    bench.describe(tf32=False)
    assert bench.open().facts == RuntimeFacts(
        file="model.engine",
        device="NVIDIA H200 (SM90)",
        tf32=False,
        cuda_graph=True,
        min_batch=1,
        max_batch=MAX_BATCH,
    )


def test_engine_that_was_built_again_is_noted_and_an_unknown_tf32_stays_unknown(bench):
    choice = bench.choice(rebuilt="a.engine is for SM86, this is SM90")
    facts = TensorRTRuntime(bench.bundle, choice, bench.cudart, graphs=False).facts
    assert facts.notices == (
        "the engine was built again on this machine, since a.engine is for SM86, this is SM90",
    )
    assert facts.tf32 is None
    assert facts.cuda_graph is False


def test_stream_that_is_not_made_is_reported(bench):
    bench.cudart.refuse["cudaStreamCreateWithFlags"] = {1}
    with pytest.raises(RuntimeUnavailableError, match="cudaErrorMemoryAllocation"):
        bench.open()


@pytest.mark.parametrize(("name", "graphs"), WAYS)
def test_context_that_is_not_made_is_reported_at_open_and_leaves_nothing(tmp_path, name, graphs):
    bench = Bench(tmp_path, name)
    bench.engine.refuse.add("create_execution_context")
    with pytest.raises(RuntimeUnavailableError, match="makes no context for model"):
        bench.open(graphs=graphs)
    assert bench.held() == 0


def test_first_refusal_is_told_when_cleaning_up_fails_too(bench):
    bench.engine.refuse.add("create_execution_context")
    bench.cudart.refuse["cudaStreamDestroy"] = {1}
    with pytest.raises(RuntimeUnavailableError, match="makes no context"):
        bench.open()


@pytest.mark.skipif(has_driver(), reason="asks what happens without a driver")
def test_real_cuda_refusal_names_the_error(bench):
    bench.cudart = pytest.importorskip("cuda.bindings.runtime")
    with pytest.raises(RuntimeUnavailableError, match=r"cudaError(InsufficientDriver|NoDevice)"):
        bench.open()


# --- running


def test_outputs_equal_onnx_runtimes_over_changing_batches(way):
    bench, runtime = way
    for round_trip in range(3):
        for batch in (1, 2, 7, 64, 1):
            x = samples(batch, seed=10 * round_trip + batch)
            outputs = infer(runtime, {"input": x})
            np.testing.assert_array_equal(outputs["output"], bench.expected(x))


def test_every_run_of_one_bind_gives_the_same(way):
    bench, runtime = way
    x = samples(5)
    runtime.bind({"input": x})
    for _ in range(3):
        runtime.run()
        np.testing.assert_array_equal(runtime.fetch()["output"], bench.expected(x))


def test_runs_need_no_waiting_in_between(way):
    bench, runtime = way
    infer(runtime, {"input": samples(5)})
    x = samples(5, seed=1)
    waits = bench.cudart.counts["cudaStreamSynchronize"]
    runtime.bind({"input": x})
    for _ in range(4):
        runtime.run()
    assert bench.cudart.counts["cudaStreamSynchronize"] == waits
    np.testing.assert_array_equal(runtime.fetch()["output"], bench.expected(x))
    assert bench.cudart.counts["cudaStreamSynchronize"] == waits + 1


def test_bound_inputs_are_the_devices_own(way):
    bench, runtime = way
    for _ in range(2):
        x = samples(4)
        expected = bench.expected(x)
        runtime.bind({"input": x})
        x[:] = 0
        runtime.run()
        runtime.sync()
        np.testing.assert_array_equal(runtime.fetch()["output"], expected)


def test_bind_waits_for_the_copy_of_the_bind_before(way):
    bench, runtime = way
    infer(runtime, {"input": samples(4)})
    runtime.bind({"input": samples(4, seed=1)})
    runtime.run()
    x = samples(4, seed=2)
    runtime.bind({"input": x})
    runtime.run()
    np.testing.assert_array_equal(runtime.fetch()["output"], bench.expected(x))


def test_strided_input_is_read_as_it_looks(way):
    bench, runtime = way
    for _ in range(2):
        x = samples(8)[::2]
        outputs = infer(runtime, {"input": x})
        np.testing.assert_array_equal(outputs["output"], bench.expected(np.ascontiguousarray(x)))


def test_fetched_arrays_survive_the_next_run(way):
    _, runtime = way
    first = infer(runtime, {"input": samples(4, seed=1)})["output"]
    kept = first.copy()
    infer(runtime, {"input": samples(4, seed=2)})
    np.testing.assert_array_equal(first, kept)


def test_buffers_are_kept_while_the_batch_stays_or_shrinks(way):
    bench, runtime = way
    for seed, batch in enumerate((8, 8, 2, 8, 1)):
        infer(runtime, {"input": samples(batch, seed)})
    assert bench.cudart.counts["cudaMalloc"] == bench.cudart.counts["cudaHostAlloc"] == 2


@pytest.mark.parametrize("graphs", [True, False])
def test_model_with_two_inputs_and_outputs(tmp_path, graphs):
    bench = Bench(tmp_path)
    value, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    nodes = [
        onnx.helper.make_node("Add", ["a", "b"], ["sum"]),
        onnx.helper.make_node("Sub", ["a", "b"], ["difference"]),
    ]
    graph = onnx.helper.make_graph(
        nodes, "graph", [value(name, kind, ["batch", 3]) for name in "ab"],
        [value(name, kind, ["batch", 3]) for name in ("sum", "difference")],
    )  # fmt: skip
    opsets = [onnx.helper.make_opsetid("", 18)]
    path = tmp_path / "two.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    bench.engine = FakeEngine(path, bench.cudart, MAX_BATCH)
    bench.backend = fake_backend(bench.engine)
    shapes = {"min": [1, 3], "opt": [2, 3], "max": [8, 3]}
    bench.describe(profile={"a": shapes, "b": shapes | {"min": [2, 3], "max": [4, 3]}})
    bench.bundle = make_bundle(
        tmp_path, (bench.entry,),
        inputs=tuple(TensorSpec(name, (None, 3), FLOAT32) for name in "ab"),
        outputs=tuple(TensorSpec(name, (None, 3), FLOAT32) for name in ("sum", "difference")),
    )  # fmt: skip
    runtime = bench.open(graphs=graphs)
    assert (runtime.facts.min_batch, runtime.facts.max_batch) == (2, 4)
    for seed in range(2):
        a, b = samples(4, seed)[:, :3], samples(4, seed=9)[:, :3]
        outputs = infer(runtime, {"b": b, "a": a})
        np.testing.assert_array_equal(outputs["sum"], a + b)
        np.testing.assert_array_equal(outputs["difference"], a - b)
    for batch in (1, 5):
        x = samples(batch)[:, :3]
        with pytest.raises(InferenceError, match=r"2\.\.4"):  # what both profiles allow
            runtime.bind({"a": x, "b": x})


# --- refusals


@pytest.mark.parametrize("before", [False, True], ids=["first", "after-another"])
@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({"x": samples(1)}, "input 'input' missing"),
        ({"input": samples(2), "more": samples(2)}, "too many inputs"),
        ({"input": samples(2)[:, :3]}, r"float32 \[2, 3\], expected float32 \[batch, 18\]"),
        ({"input": samples(2).astype("float64")}, "is float64"),
        ({"input": samples(2).tolist()}, "is a list"),
        ({"input": samples(0)}, "0 samples"),
        ({"input": samples(MAX_BATCH + 1)}, r"65 samples given, .* allows 1\.\.64"),
    ],
)
def test_feeds_that_do_not_fit_are_refused_before_any_copy(bench, feeds, words, before):
    runtime = bench.open()
    if before:
        infer(runtime, {"input": samples(2)})
    calls = list(bench.cudart.calls)
    with pytest.raises(InferenceError, match=words):
        runtime.bind(feeds)
    assert bench.cudart.calls == calls
    with pytest.raises(InferenceError, match="call bind first"):
        runtime.run()


@pytest.mark.parametrize("method", ["run", "fetch", "time_stages", "count_launches"])
def test_nothing_runs_before_bind(bench, method):
    with pytest.raises(InferenceError, match="call bind first"):
        getattr(bench.open(), method)()


def test_fetch_without_a_run_since_bind_is_refused(way):
    _, runtime = way
    infer(runtime, {"input": samples(2)})
    runtime.bind({"input": samples(2)})
    with pytest.raises(InferenceError, match="call run after bind"):
        runtime.fetch()


def test_failed_bind_unbinds_what_was_bound(bench):
    runtime = bench.open()
    runtime.bind({"input": samples(2)})
    bench.cudart.refuse["cudaMemcpyAsync"] = {2}
    with pytest.raises(InferenceError, match="cudaMemcpyAsync"):
        runtime.bind({"input": samples(2)})
    with pytest.raises(InferenceError, match="call bind first"):
        runtime.run()


# --- timing


def test_stages_are_timed_apart(way):
    bench, runtime = way
    assert isinstance(runtime, DeviceRuntime)
    runtime.bind({"input": samples(2)})
    unit_s = bench.cudart.work_ns / 1e9
    stages = runtime.time_stages()
    assert stages.upload_s == pytest.approx(unit_s)
    assert stages.compute_s == pytest.approx(bench.engine.kernels * unit_s)
    assert stages.download_s == pytest.approx(unit_s)


def test_timed_run_is_a_run_whose_outputs_can_be_fetched(way):
    bench, runtime = way
    x = samples(2)
    runtime.bind({"input": x})
    runtime.time_stages()
    np.testing.assert_array_equal(runtime.fetch()["output"], bench.expected(x))


# --- threads


def test_runtime_may_be_handed_from_thread_to_thread(way):
    bench, runtime = way
    for batch in (1, 7, 1, 2):
        x = samples(batch)
        with ThreadPoolExecutor(1) as another:
            outputs = another.submit(infer, runtime, {"input": x}).result()
        np.testing.assert_array_equal(outputs["output"], bench.expected(x))


@pytest.mark.parametrize(
    "method", ["bind", "fetch", "sync", "time_stages", "count_launches", "close"]
)
def test_second_thread_that_comes_meanwhile_is_refused(way, method):
    bench, runtime = way
    x = samples(2)
    infer(runtime, {"input": x})
    entered, leave = threading.Event(), threading.Event()

    def linger():
        entered.set()
        assert leave.wait(10)

    (stream,) = bench.cudart.streams
    bench.cudart.enqueue(linger, stream=stream)
    with ThreadPoolExecutor(1) as first:
        waiting = first.submit(runtime.sync)
        assert entered.wait(10)
        try:
            with pytest.raises(InferenceError, match="another thread uses this runtime"):
                getattr(runtime, method)(*([{"input": x}] if method == "bind" else []))
        finally:
            leave.set()
        waiting.result()
    np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))


def test_two_runtimes_share_no_stream_no_context_and_no_buffer(bench):
    first, second = bench.open(), bench.open(graphs=False)
    x, y = samples(4, seed=1), samples(4, seed=2)
    for _ in range(2):
        first.bind({"input": x})
        second.bind({"input": y})
        first.run()
        second.run()
        np.testing.assert_array_equal(second.fetch()["output"], bench.expected(y))
        np.testing.assert_array_equal(first.fetch()["output"], bench.expected(x))
    assert len(bench.cudart.streams) == len(bench.engine.contexts) == 2
    second.bind({"input": y})
    second.run()
    first.close()
    np.testing.assert_array_equal(second.fetch()["output"], bench.expected(y))


def test_two_threads_may_each_use_a_runtime_of_their_own(tmp_path):
    def work(number):
        folder = tmp_path / str(number)
        folder.mkdir()
        bench = Bench(folder)  # the fake device is for one thread
        runtime = bench.open()
        for seed in range(50):
            x = samples(1 + seed % 3, seed)
            np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))
        runtime.close()
        return bench.held()

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(work, range(2))) == [0, 0]


# --- closing


def test_close_frees_all_and_a_second_call_does_nothing(way):
    bench, runtime = way
    for batch in (1, 2, 3, 2):
        infer(runtime, {"input": samples(batch)})
    runtime.time_stages()
    runtime.count_launches()
    runtime.run()  # in flight when it is closed
    runtime.close()
    assert bench.held() == 0
    calls = list(bench.cudart.calls)
    runtime.close()
    assert bench.cudart.calls == calls


def test_unused_runtime_is_closed(way):
    bench, runtime = way
    runtime.close()
    assert bench.held() == 0


def test_graphs_go_before_their_contexts_and_both_before_the_buffers(bench):
    runtime = bench.open()
    infer(runtime, {"input": samples(2)})
    alive = []
    note = bench.cudart._note

    def noted(function):
        if function in ("cudaGraphExecDestroy", "cudaFree"):
            alive.append((function, len(bench.engine.contexts)))
        return note(function)

    bench.cudart._note = noted
    runtime.close()
    assert alive == [("cudaGraphExecDestroy", 1), ("cudaFree", 0), ("cudaFree", 0)]


@pytest.mark.parametrize(
    "method", ["bind", "run", "sync", "fetch", "time_stages", "count_launches"]
)
def test_closed_runtime_says_so(way, method):
    _, runtime = way
    infer(runtime, {"input": samples(1)})
    runtime.close()
    with pytest.raises(InferenceError, match="was closed"):
        getattr(runtime, method)(*([{"input": samples(1)}] if method == "bind" else []))


def test_entry_of_another_precision_is_loaded_the_same(bench):
    bench.entry = describe_file(
        bench.bundle.root, "model.engine", "trt", precision="fp16", details=bench.entry.details
    )
    x = samples(2)
    outputs = infer(bench.open(), {"input": x})
    assert outputs["output"].dtype == FLOAT32
