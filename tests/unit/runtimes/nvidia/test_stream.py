import pytest

from spinn_edge.core.errors import InferenceError
from spinn_edge.runtimes.nvidia.stream import CudaStream
from tests.fakes.cuda import FakeCudart


@pytest.fixture
def cudart():
    return FakeCudart()


def nothing():
    pass


def test_refusal_names_function_code_and_number(cudart):
    stream = CudaStream(cudart)
    cudart.refuse["cudaStreamSynchronize"] = {1}
    with pytest.raises(
        InferenceError, match=r"cudaStreamSynchronize failed: cudaErrorMemoryAllocation \(2\)"
    ):
        stream.synchronize()


@pytest.mark.parametrize("function", ["cudaMalloc", "cudaStreamSynchronize"])
def test_refusal_is_not_left_behind_for_tensorrt_to_find(cudart, function):
    stream = CudaStream(cudart)
    cudart.refuse[function] = {1}
    with pytest.raises(InferenceError):
        stream.call("cudaMalloc", 8) if function == "cudaMalloc" else stream.synchronize()
    assert cudart.last_error == cudart.cudaError_t.cudaSuccess


def test_call_returns_nothing_one_thing_or_a_list(cudart):
    stream = CudaStream(cudart)
    assert stream.call("cudaStreamSynchronize", stream.handle) is None
    address = stream.call("cudaMalloc", 8)
    assert address in cudart.live
    cudart.cudaGraphGetNodes = lambda graph: (cudart.cudaError_t.cudaSuccess, [], 0)
    assert stream.call("cudaGraphGetNodes", "graph") == [[], 0]


def test_work_runs_when_it_is_waited_for(cudart):
    stream, done = CudaStream(cudart), []
    cudart.enqueue(lambda: done.append(1), stream=stream.handle)
    assert not done
    stream.synchronize()
    assert done == [1]


def test_two_streams_have_handles_of_their_own(cudart):
    first, second = CudaStream(cudart), CudaStream(cudart)
    assert first.handle != second.handle
    done = []
    cudart.enqueue(lambda: done.append(1), stream=first.handle)
    second.synchronize()
    assert not done


# --- events


def test_elapsed_time_is_in_seconds(cudart):
    stream = CudaStream(cudart)
    stream.record(0)
    for _ in range(3):
        cudart.enqueue(nothing, stream=stream.handle)
    stream.record(1)
    stream.synchronize()
    assert stream.elapsed_s(0, 1) == pytest.approx(3 * cudart.work_ns / 1e9)


def test_events_are_made_once_and_used_again(cudart):
    stream = CudaStream(cudart)
    for _ in range(5):
        stream.record(2)
        stream.record(0)
    assert cudart.counts["cudaEventCreate"] == 3


# --- graphs


def test_captured_work_runs_at_each_launch_and_not_before(cudart):
    stream, done = CudaStream(cudart), []
    graph = stream.capture(lambda: cudart.enqueue(lambda: done.append(1)))
    stream.synchronize()
    assert not done
    stream.launch(graph)
    stream.launch(graph)
    stream.synchronize()
    assert done == [1, 1]


def test_kernels_are_counted_and_copies_are_not(cudart):
    stream = CudaStream(cudart)

    def work():
        for kind in ("Kernel", "Memcpy", "Kernel"):
            cudart.enqueue(nothing, kind)

    assert stream.capture(work).kernels == 2


def test_empty_graph_has_no_kernels(cudart):
    assert CudaStream(cudart).capture(nothing).kernels == 0


def test_capture_leaves_nothing_but_the_graph(cudart):
    stream = CudaStream(cudart)
    before = cudart.held()
    graph = stream.capture(nothing)
    assert cudart.held() == before + 1
    stream.free_graph(graph)
    assert cudart.held() == before


@pytest.mark.parametrize("error", [InferenceError("TensorRT refused"), KeyboardInterrupt()])
def test_work_that_fails_ends_the_capture_and_leaves_a_stream_that_works(cudart, error):
    stream = CudaStream(cudart)
    before = cudart.held()

    def fail():
        cudart.enqueue(nothing)
        raise error

    with pytest.raises(type(error)):
        stream.capture(fail)
    assert cudart.held() == before
    done = []
    cudart.enqueue(lambda: done.append(1))
    stream.synchronize()
    assert done
    stream.launch(stream.capture(nothing))


def test_first_refusal_is_told_when_the_end_of_the_capture_fails_too(cudart):
    stream = CudaStream(cudart)
    cudart.refuse["cudaStreamEndCapture"] = {1}

    def fail():
        raise InferenceError("TensorRT refused")

    with pytest.raises(InferenceError, match="TensorRT refused"):
        stream.capture(fail)
    stream.synchronize()


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("cudaStreamBeginCapture", 1),
        ("cudaStreamEndCapture", 1),
        ("cudaGraphGetNodes", 1),
        ("cudaGraphGetNodes", 2),
        ("cudaGraphNodeGetType", 1),
        ("cudaGraphInstantiate", 1),
        ("cudaGraphDestroy", 1),
    ],
)
def test_refused_capture_leaks_nothing_and_leaves_a_stream_that_works(cudart, function, call):
    stream = CudaStream(cudart)
    before = cudart.held()
    cudart.refuse[function] = {call}
    with pytest.raises(InferenceError, match=function):
        stream.capture(lambda: cudart.enqueue(nothing))
    assert cudart.held() == before
    stream.launch(stream.capture(nothing))
    stream.synchronize()


# --- closing


def test_close_frees_all_and_a_second_call_does_nothing(cudart):
    stream = CudaStream(cudart)
    stream.record(1)
    stream.synchronize()
    stream.close()
    assert cudart.held() == 0
    assert stream.handle == 0
    calls = list(cudart.calls)
    stream.close()
    assert cudart.calls == calls


@pytest.mark.parametrize(
    ("function", "call"),
    [("cudaEventDestroy", 1), ("cudaEventDestroy", 2), ("cudaStreamDestroy", 1)],
)
def test_close_tries_everything_and_then_raises(cudart, function, call):
    stream = CudaStream(cudart)
    stream.record(1)
    stream.synchronize()
    cudart.refuse[function] = {call}
    with pytest.raises(InferenceError, match=function):
        stream.close()
    assert cudart.counts["cudaEventDestroy"] == 2
    assert cudart.held() == 0


def test_names_exist_in_the_real_package():
    real = pytest.importorskip("cuda.bindings.runtime")
    functions = [name for name in vars(FakeCudart) if name.startswith("cuda")]
    assert [name for name in functions if not hasattr(real, name)] == []
    for owner in ("cudaMemcpyKind", "cudaStreamCaptureMode", "cudaGraphNodeType"):
        members = getattr(FakeCudart, owner).__members__
        assert [name for name in members if not hasattr(getattr(real, owner), name)] == []


def test_real_package_answers_as_the_fake_does():
    real = pytest.importorskip("cuda.bindings.runtime")
    fake = FakeCudart()
    fake.broken_from = 0
    for function, arguments in (
        ("cudaGetLastError", ()),
        ("cudaMalloc", (8,)),
        ("cudaHostAlloc", (8, 0)),
        ("cudaStreamCreateWithFlags", (real.cudaStreamNonBlocking,)),
        ("cudaEventCreate", ()),
    ):
        fake.cudaGetLastError()
        assert len(getattr(real, function)(*arguments)) == len(getattr(fake, function)(*arguments))
