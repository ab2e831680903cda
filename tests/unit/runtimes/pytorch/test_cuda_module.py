"""Running, timing, failing and closing, with CPU tensors and a stand-in for ``torch.cuda``."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from spinn_edge.core.errors import InferenceError
from spinn_edge.runtimes.base import (
    LEAD_RUNS,
    DeviceRuntime,
    RuntimeFacts,
    infer,
)
from spinn_edge.runtimes.pytorch.cuda_module import TorchCudaRuntime, count_kernels
from tests.fakes.runtime import doubling_bundle
from tests.fakes.torch_cuda import FakeTorchCuda


@pytest.fixture
def cuda():
    return FakeTorchCuda()


@pytest.fixture
def open_on(tmp_path, cuda):
    """Put a function of tensors on the stand-in; a model with input x and output y."""

    def open_on(function, **facts):
        manifest = doubling_bundle(tmp_path / "bundle").manifest
        return TorchCudaRuntime(function, manifest, RuntimeFacts(**facts), cuda=cuda, device="cpu")

    return open_on


def feeds(rows=2, value=1.0):
    return {"x": np.full((rows, 3), value, np.float32)}


def double(x):
    return 2 * x


# --- running


def test_outputs_are_right_at_changing_batches(open_on):
    runtime = open_on(double)
    for rows, value in ((1, 1), (7, 2), (2, 3), (7, 4), (7, 5)):
        outputs = infer(runtime, feeds(rows, value))
        np.testing.assert_array_equal(outputs["y"], np.full((rows, 3), 2 * value, np.float32))


def test_bound_inputs_are_the_runtimes_own(open_on):
    runtime = open_on(double)
    x = feeds()
    runtime.bind(x)
    x["x"][:] = 0
    runtime.run()
    assert runtime.fetch()["y"].min() == 2


def test_tensors_are_kept_while_the_shape_stays(open_on):
    seen = []

    def forward(x):
        seen.append(x.data_ptr())
        return 2 * x

    runtime = open_on(forward)
    outputs = []
    for rows in (2, 2, 5, 5):
        infer(runtime, feeds(rows))
        outputs.append(runtime._host_outputs[0].data_ptr())
    assert seen[0] == seen[1]
    assert seen[2] == seen[3]
    assert outputs[0] == outputs[1]
    assert outputs[2] == outputs[3]


def test_run_does_not_wait_and_fetch_does(open_on, cuda):
    runtime = open_on(double)
    runtime.bind(feeds())
    del cuda.log[:]
    runtime.run()
    assert cuda.log == ["use"]
    runtime.fetch()
    assert cuda.log == ["use", "use", "wait"]


def test_binding_again_waits_for_the_copy_that_may_be_in_flight(open_on, cuda):
    runtime = open_on(double)
    runtime.bind(feeds())
    del cuda.log[:]
    runtime.bind(feeds())
    assert cuda.log == ["wait", "use"]
    runtime.sync()
    del cuda.log[:]
    runtime.bind(feeds())
    assert cuda.log == ["use"]


def test_new_shapes_wait_for_work_that_uses_the_old_tensors(open_on, cuda):
    runtime = open_on(double)
    runtime.bind(feeds())
    runtime.run()
    del cuda.log[:]
    runtime.bind(feeds(5))
    assert cuda.log[0] == "wait"


def test_no_gradients_are_recorded(open_on):
    weight = torch.ones(3, requires_grad=True)
    recorded = []

    def forward(x):
        result = x * weight
        recorded.append(result.requires_grad)
        return result

    infer(open_on(forward), feeds())
    assert recorded == [False]


def test_a_module_that_reuses_its_output_memory_does_not_change_what_was_fetched(open_on):
    memory = torch.empty(2, 3)

    def forward(x):
        return torch.mul(x, 2, out=memory)

    runtime = open_on(forward, cuda_graph=True)
    first = infer(runtime, feeds(value=1))["y"]
    infer(runtime, feeds(value=5))
    assert first.max() == 2


@pytest.mark.parametrize(("graph", "steps"), [(True, 2), (False, 0)])
def test_each_run_of_a_graph_tells_torch_that_the_last_result_may_go(
    open_on, monkeypatch, graph, steps
):
    told = []
    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: told.append(1))
    runtime = open_on(double, cuda_graph=graph)
    infer(runtime, feeds())
    runtime.run()
    assert len(told) == steps


def test_weights_are_waited_for_once(open_on, cuda):
    open_on(double)
    assert cuda.log == ["wait for the default stream"]


# --- timing


def test_stages_are_timed_between_events_in_seconds(open_on, cuda):
    def forward(x):
        cuda.now_ms += 4.0
        return 2 * x

    runtime = open_on(forward)
    assert isinstance(runtime, DeviceRuntime)
    runtime.bind(feeds())
    stages = runtime.time_stages()
    assert stages.upload_s == pytest.approx(1e-3)
    assert stages.compute_s == pytest.approx(5e-3)
    assert stages.download_s == pytest.approx(1e-3)
    assert runtime.fetch()["y"].min() == 2


@pytest.mark.parametrize(("graph", "before"), [(False, 1), (True, 3)])
def test_what_is_timed_is_neither_compiled_nor_recorded_any_more(open_on, cuda, graph, before):
    runs = []

    def forward(x):
        runs.append(cuda.log.count("record"))
        return 2 * x

    runtime = open_on(forward, cuda_graph=graph)
    runtime.bind(feeds())
    runtime.time_stages()
    assert runs == [0] * (before + LEAD_RUNS) + [2]
    runtime.time_stages()
    assert len(runs) == before + 2 * (LEAD_RUNS + 1)
    runtime.bind(feeds(5))
    runtime.time_stages()
    assert len(runs) == 2 * before + 3 * (LEAD_RUNS + 1)


def profiler_of(events, supported=("cuda",)):
    """A torch whose profiler saw ``events``, each (name, device, is_user_annotation)."""

    @contextmanager
    def profile(activities):
        assert activities == ["cuda"]
        seen = [
            SimpleNamespace(name=name, device_type=device, is_user_annotation=annotation)
            for name, device, annotation in events
        ]
        yield SimpleNamespace(events=lambda: seen)

    return SimpleNamespace(
        profiler=SimpleNamespace(
            ProfilerActivity=SimpleNamespace(CUDA="cuda"),
            supported_activities=lambda: set(supported),
            profile=profile,
        ),
        autograd=SimpleNamespace(DeviceType=SimpleNamespace(CUDA="gpu")),
    )


def test_only_kernels_count_as_launches():
    events = [
        ("sgemm", "gpu", False),
        ("tanh", "gpu", False),
        ("Memcpy HtoD (Pinned -> Device)", "gpu", False),
        ("Memset (Device)", "gpu", False),
        ("## Call CompiledFxGraph ##", "gpu", True),
        ("cudaLaunchKernel", "cpu", False),
    ]
    ran = []
    assert count_kernels(profiler_of(events), lambda: ran.append(1)) == 2
    assert ran == [1]


def test_a_profiler_that_sees_nothing_makes_launches_unknown():
    assert count_kernels(profiler_of([]), lambda: None) is None
    assert count_kernels(profiler_of([("k", "gpu", False)], supported=()), lambda: None) is None


def test_launches_are_unknown_in_a_build_without_cuda(open_on):
    runtime = open_on(double)
    runtime.bind(feeds())
    assert runtime.count_launches() is None
    assert runtime.fetch()["y"].min() == 2


# --- failures and closing


def test_too_little_memory_suggests_a_smaller_batch(open_on):
    def forward(x):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")

    with pytest.raises(InferenceError, match=r"use a smaller batch \(CUDA out of memory") as caught:
        infer(open_on(forward), feeds())
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)


def test_an_error_that_the_device_reports_later_is_wrapped_when_waiting(open_on, cuda):
    runtime = open_on(double)
    runtime.bind(feeds())
    runtime.run()
    cuda.refuse = RuntimeError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(InferenceError, match="illegal memory access"):
        runtime.fetch()


def test_a_failed_run_leaves_nothing_to_fetch(open_on):
    def forward(x):
        if x.shape[0] == 5:
            raise ValueError("five")
        return 2 * x

    runtime = open_on(forward)
    infer(runtime, feeds())
    runtime.bind(feeds(5))
    with pytest.raises(InferenceError, match=r"\(ValueError\): five"):
        runtime.run()
    with pytest.raises(InferenceError, match="nothing has run"):
        runtime.fetch()


def test_a_run_that_fails_after_a_good_one_takes_its_result_away(open_on):
    results = [torch.ones(2, 3)]
    runtime = open_on(lambda x: results.pop())
    infer(runtime, feeds())
    with pytest.raises(InferenceError, match="IndexError"):
        runtime.run()
    with pytest.raises(InferenceError, match="nothing has run"):
        runtime.fetch()


def test_feeds_that_do_not_fit_are_refused(open_on):
    with pytest.raises(InferenceError, match=r"float32 \[2, 4\], expected float32 \[batch, 3\]"):
        open_on(double).bind({"x": np.ones((2, 4), np.float32)})


@pytest.mark.parametrize("call", ["run", "fetch", "time_stages", "count_launches"])
def test_nothing_works_before_bind(open_on, call):
    with pytest.raises(InferenceError, match="bind"):
        getattr(open_on(double), call)()


def test_close_waits_lets_go_and_a_second_call_does_nothing(open_on, cuda):
    runtime = open_on(double)
    infer(runtime, feeds())
    del cuda.log[:]
    runtime.close()
    runtime.close()
    assert cuda.log == ["wait"]
    assert not runtime._device_inputs
    for call in (lambda: runtime.bind(feeds()), runtime.run, runtime.fetch, runtime.time_stages):
        with pytest.raises(InferenceError, match="close"):
            call()
