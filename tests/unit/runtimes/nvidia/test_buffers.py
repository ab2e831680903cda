import numpy as np
import pytest

from spinn_edge.core.errors import InferenceError
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes.base import LEAD_RUNS
from spinn_edge.runtimes.nvidia.buffers import CudaBuffers
from tests.fakes.cuda import FakeCudart

FLOAT32 = np.dtype("float32")
INPUTS = (TensorSpec("a", (None, 3), FLOAT32), TensorSpec("b", (None,), np.dtype("int64")))
OUTPUTS = (TensorSpec("y", (None, 2), FLOAT32),)


def shapes(batch):
    return {"a": (batch, 3), "b": (batch,), "y": (batch, 2)}


def feeds(batch, seed=0):
    random = np.random.default_rng(seed)
    return {
        "a": random.standard_normal((batch, 3)).astype(FLOAT32),
        "b": random.integers(0, 9, batch),
    }


@pytest.fixture
def cudart():
    return FakeCudart()


@pytest.fixture
def buffers(cudart):
    return CudaBuffers(cudart, INPUTS, OUTPUTS)


def on_device(cudart, buffers, name, array):
    """Return what the device holds for a tensor that looks like ``array``."""
    content = cudart.read(buffers.address(name), array.nbytes)
    return np.frombuffer(content, array.dtype).reshape(array.shape)


def test_every_tensor_gets_device_and_pinned_memory_of_its_size(cudart, buffers):
    assert buffers.resize(shapes(4)) is True
    sizes = [48, 32, 32]
    assert [len(block) for block in cudart.live.values()] == sizes
    assert [len(block) for block in cudart.pinned.values()] == sizes


def test_inputs_reach_the_device_as_they_were_when_staged(cudart, buffers):
    buffers.resize(shapes(4))
    given = feeds(4)
    kept = {name: array.copy() for name, array in given.items()}
    buffers.stage(given)
    for array in given.values():
        array[:] = 0
    buffers.upload()
    buffers.synchronize()
    for name, array in kept.items():
        np.testing.assert_array_equal(on_device(cudart, buffers, name, array), array)


def test_strided_input_is_copied_as_it_looks(cudart, buffers):
    buffers.resize(shapes(2))
    given = {name: array[::2] for name, array in feeds(4).items()}
    buffers.stage(given)
    buffers.upload()
    buffers.synchronize()
    np.testing.assert_array_equal(on_device(cudart, buffers, "a", given["a"]), given["a"])


def test_outputs_come_back_in_arrays_of_their_own(cudart, buffers):
    buffers.resize(shapes(2))
    first = np.arange(4, dtype=FLOAT32).reshape(2, 2)
    cudart.write(buffers.address("y"), first.tobytes())
    buffers.download()
    collected = buffers.collect()
    cudart.write(buffers.address("y"), bytes(16))
    buffers.download()
    assert not buffers.collect()["y"].any()
    assert list(collected) == ["y"]
    np.testing.assert_array_equal(collected["y"], first)


def test_stage_waits_while_a_copy_is_under_way(cudart, buffers):
    buffers.resize(shapes(2))
    first, second = feeds(2, seed=1), feeds(2, seed=2)
    buffers.stage(first)
    assert cudart.counts["cudaStreamSynchronize"] == 0
    buffers.upload()
    seen = []
    cudart.enqueue(lambda: seen.append(on_device(cudart, buffers, "a", first["a"]).copy()))
    buffers.stage(second)
    assert cudart.counts["cudaStreamSynchronize"] == 1
    np.testing.assert_array_equal(seen[0], first["a"])


def test_stage_does_not_wait_when_the_copy_is_known_to_have_ended(cudart, buffers):
    buffers.resize(shapes(2))
    buffers.stage(feeds(2))
    buffers.upload()
    buffers.download()
    buffers.collect()
    waits = cudart.counts["cudaStreamSynchronize"]
    buffers.stage(feeds(2))
    assert cudart.counts["cudaStreamSynchronize"] == waits


# --- growth


def test_smaller_shapes_keep_the_addresses_and_larger_ones_move_them(cudart, buffers):
    for batch, moved, allocations in ((8, True, 3), (2, False, 3), (8, False, 3), (9, True, 6)):
        assert buffers.resize(shapes(batch)) is moved
        assert cudart.counts["cudaMalloc"] == cudart.counts["cudaHostAlloc"] == allocations
        assert len(cudart.live) == len(cudart.pinned) == 3


def test_one_tensor_that_grows_moves_alone_and_is_told(cudart, buffers):
    buffers.resize(shapes(8))
    before = {name: buffers.address(name) for name in "aby"}
    assert buffers.resize(shapes(8) | {"y": (9, 2)}) is True
    after = {name: buffers.address(name) for name in "aby"}
    assert (after["a"], after["b"]) == (before["a"], before["b"])
    assert cudart.counts["cudaMalloc"] == 4  # the new one may lie where the old one lay


def test_only_the_bytes_of_the_shapes_are_copied(cudart, buffers):
    buffers.resize(shapes(8))
    buffers.stage(feeds(8, seed=1))
    buffers.upload()
    buffers.resize(shapes(2))
    given = feeds(2, seed=2)
    buffers.stage(given)
    buffers.upload()
    buffers.synchronize()
    whole = on_device(cudart, buffers, "a", np.empty((8, 3), FLOAT32))
    np.testing.assert_array_equal(whole[:2], given["a"])
    np.testing.assert_array_equal(whole[2:], feeds(8, seed=1)["a"][2:])
    buffers.download()
    assert buffers.collect()["y"].shape == (2, 2)


def test_growth_waits_for_work_in_flight(buffers):
    buffers.resize(shapes(2))
    buffers.stage(feeds(2))
    buffers.upload()
    buffers.resize(shapes(3))  # the fake asserts that nothing is freed in flight


@pytest.mark.parametrize(
    ("function", "call"),
    [
        *(("cudaMalloc", call) for call in (4, 5, 6)),
        *(("cudaHostAlloc", call) for call in (4, 5, 6)),
        *(("cudaFree", call) for call in (1, 2, 3)),
        *(("cudaFreeHost", call) for call in (1, 2, 3)),
        *(("cudaStreamSynchronize", call) for call in (1, 2, 3)),
    ],
)
def test_growth_that_fails_in_the_middle_leaks_nothing_and_can_be_tried_again(
    cudart, buffers, function, call
):
    buffers.resize(shapes(2))
    cudart.refuse[function] = {call}
    with pytest.raises(InferenceError, match=function):
        buffers.resize(shapes(9))
    with pytest.raises(KeyError):  # nothing can be copied to where no buffer may be
        buffers.stage(feeds(9))
    buffers.resize(shapes(9))
    assert len(cudart.live) == len(cudart.pinned) == 3
    buffers.stage(feeds(9))
    buffers.upload()
    buffers.synchronize()
    buffers.close()
    assert cudart.held() == 0


def test_address_that_moved_in_a_call_that_failed_is_told_by_the_next(cudart, buffers):
    buffers.resize(shapes(2))
    buffers.stage(feeds(2))
    cudart.refuse["cudaStreamSynchronize"] = {2}  # the first tensor has moved, the second stays
    with pytest.raises(InferenceError):
        buffers.resize(shapes(9))
    assert buffers.resize(shapes(2)) is True
    assert buffers.resize(shapes(2)) is False


def test_refused_pinned_memory_is_told_even_when_freeing_fails_too(cudart, buffers):
    cudart.refuse |= {"cudaHostAlloc": {1}, "cudaFree": {1}}
    with pytest.raises(InferenceError, match="cudaHostAlloc"):
        buffers.resize(shapes(2))
    assert not cudart.live


# --- stages


def test_each_stage_has_its_own_time(cudart, buffers):
    buffers.resize(shapes(2))
    buffers.stage(feeds(2))
    stages = buffers.time_stages(lambda: [cudart.enqueue(lambda: None) for _ in range(5)])
    unit_s = cudart.work_ns / 1e9
    assert stages.upload_s == pytest.approx(2 * unit_s)
    assert stages.compute_s == pytest.approx(5 * unit_s)
    assert stages.download_s == pytest.approx(unit_s)


def test_the_device_is_kept_at_work_by_runs_that_are_not_timed(cudart, buffers):
    buffers.resize(shapes(2))
    buffers.stage(feeds(2))
    order = []

    def run():
        order.append(cudart.counts["cudaEventRecord"])
        assert cudart.counts["cudaStreamSynchronize"] == 1, "the host waits before all of them only"

    buffers.time_stages(run)
    assert order == [0] * LEAD_RUNS + [2]


def test_what_was_started_before_is_in_no_stage(cudart, buffers):
    buffers.resize(shapes(2))
    buffers.stage(feeds(2))
    for _ in range(50):
        cudart.enqueue(lambda: None)
    stages = buffers.time_stages(lambda: None)
    assert stages.upload_s == pytest.approx(2 * cudart.work_ns / 1e9)


def test_timing_twice_uses_the_same_events(cudart, buffers):
    buffers.resize(shapes(2))
    buffers.stage(feeds(2))
    assert buffers.time_stages(lambda: None) == buffers.time_stages(lambda: None)
    assert cudart.counts["cudaEventCreate"] == 4


# --- closing


def test_close_frees_all_and_a_second_call_does_nothing(cudart, buffers):
    buffers.resize(shapes(2))
    buffers.stage(feeds(2))
    buffers.time_stages(lambda: None)
    buffers.close()
    assert cudart.held() == 0
    calls = list(cudart.calls)
    buffers.close()
    assert cudart.calls == calls


@pytest.mark.parametrize(
    ("function", "call"),
    [
        *((function, call) for function in ("cudaFree", "cudaFreeHost") for call in (1, 2, 3)),
        *(("cudaEventDestroy", call) for call in (1, 4)),
        ("cudaStreamDestroy", 1),
    ],
)
def test_close_frees_all_even_if_one_call_refuses_and_says_so(cudart, buffers, function, call):
    buffers.resize(shapes(2))
    buffers.stage(feeds(2))
    buffers.time_stages(lambda: None)
    cudart.refuse[function] = {call}
    with pytest.raises(InferenceError, match=function):
        buffers.close()
    assert cudart.held() == 0
    buffers.close()
