"""Every peer's timed call computes what the golden outputs say, and only then gets a number."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from spinn_edge.accuracy.parity import against_reference
from spinn_edge.core.optional import installed_version
from tests.fakes.runtime import FakeClock

PEERS = (
    *("session-run", "ours", "polygraphy", "openvino-f32"),
    *("session-bound", "ours-bound", "torch"),
)
HARNESSES = ("torch-timer", "polygraphy-time", "onnxruntime-test")
RUN_NS = 1_000_000


@pytest.fixture
def worker(program):
    return program("peer_worker")


@pytest.fixture
def loops(program):
    return program("peer_loops")


@pytest.fixture
def harnesses(program):
    return program("peer_harnesses")


def skip_unless_installed(entry):
    if installed_version(entry.distribution) is None:
        pytest.skip(f"{entry.distribution} is not installed: benchmarks/requirements.txt")


def test_every_peer_and_harness_is_tested_here(loops, harnesses):
    left_out = {"openvino"}  # it may choose bfloat16, by the processor
    assert {*PEERS} | left_out == {*loops.PEERS}
    assert {*HARNESSES} == {*harnesses.HARNESSES}


@pytest.mark.parametrize("batch", [1, 7, 16])
@pytest.mark.parametrize("name", PEERS)
def test_the_timed_call_gives_the_golden_outputs(worker, loops, tiny_bundle, name, batch):
    peer = loops.PEERS[name]
    skip_unless_installed(peer)
    limits = against_reference(tiny_bundle.manifest.parity)
    with peer.open(tiny_bundle) as loop:
        parity = worker.check_loop(loop, tiny_bundle.golden(), batch, limits)
    assert parity.passed, parity.reason
    assert parity.used_share > 0, "float32 that equals float64 everywhere compared nothing"


@pytest.mark.parametrize("name", HARNESSES)
def test_a_harness_answers_about_the_right_model(worker, harnesses, tiny_bundle, name):
    harness = harnesses.HARNESSES[name]
    skip_unless_installed(harness)
    (answer,) = worker.ask_harness(harness, tiny_bundle, {7: 20}).values()
    assert answer["refused"] is None
    (reported_s,) = answer["samples_s"]
    assert reported_s > 0


def test_onnxruntimes_tool_gets_one_thread_and_leaves_no_trace(harnesses, tiny_bundle, monkeypatch):
    import onnxruntime as ort

    threads = []
    open_session = ort.InferenceSession

    def spy(path, settings, **options):
        threads.append(settings.intra_op_num_threads)
        return open_session(path, settings, **options)

    monkeypatch.setattr(ort, "InferenceSession", spy)
    harnesses.ask_onnxruntime_test(tiny_bundle, tiny_bundle.golden().at_batch(1).inputs, 3)
    assert threads == [1]
    assert ort.InferenceSession is spy


def test_a_peer_that_computes_something_else_gets_no_number(
    worker, loops, tiny_bundle, monkeypatch
):
    peer = loops.PEERS["ours"]

    class Doubled:
        def __enter__(self):
            self.inner = peer.open(tiny_bundle)
            loop = self.inner.__enter__()
            read = loop.read
            return replace(
                loop,
                read=lambda got: {name: 2 * array for name, array in read(got).items()},
                remark="it doubles",
            )

        def __exit__(self, *details):
            self.inner.__exit__(*details)

    monkeypatch.setitem(loops.PEERS, "ours", replace(peer, open=lambda bundle: Doubled()))
    (answer,) = worker.time_peer("ours", tiny_bundle, {1: 3}).values()
    assert "samples_s" not in answer
    assert answer["refused"].startswith("it doubles: output 'output' channel")


def test_a_fault_behind_the_first_golden_samples_is_found(worker, loops, tiny_bundle):
    golden = tiny_bundle.golden()
    last = golden.inputs["input"][-1]

    def prepare(feeds):
        outputs = {
            name: np.where((feeds["input"] == last).all(axis=1, keepdims=True), array + 1, array)
            for name, array in exact(golden, feeds).items()
        }
        return lambda: outputs

    loop = loops.Loop(prepare=prepare, read=dict)
    limits = against_reference(tiny_bundle.manifest.parity)
    assert worker.check_loop(loop, golden.at_batch(1), 1, limits).passed
    assert not worker.check_loop(loop, golden, 7, limits).passed


def exact(golden, feeds):
    found = [
        np.flatnonzero((golden.inputs["input"] == row).all(axis=1))[0] for row in feeds["input"]
    ]
    return {name: array[found] for name, array in golden.outputs.items()}


def test_warm_up_is_not_in_the_samples(worker):
    clock = FakeClock()
    runs = []

    def call():
        runs.append(gc.isenabled())
        clock.advance(RUN_NS * (10 if len(runs) == 1 else 1))

    samples_s = worker.time_call(call, 5, clock)
    assert samples_s == [RUN_NS / 1e9] * 5
    assert len(runs) - 5 >= worker.WARM_RUNS
    assert (len(runs) - 5 + 9) * RUN_NS >= worker.WARM_S * 1e9
    assert not any(runs[-5:]), "no garbage collection in a sample"
    assert gc.isenabled()


def test_slow_calls_are_warmed_up_too(worker):
    clock = FakeClock()
    runs: list[None] = []

    def call():
        runs.append(None)
        clock.advance(10**9)

    worker.time_call(call, 1, clock)
    assert len(runs) == worker.WARM_RUNS + 1


def test_samples_are_asked_for_by_batch(worker):
    assert worker.parse_samples("1=5000,1000=250") == {1: 5000, 1000: 250}
