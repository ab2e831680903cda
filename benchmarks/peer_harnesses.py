"""What other harnesses report of a model, taken as their users take it.

Each opens the model with one thread and answers with one figure, by its own rules; beside it stand
the outputs, for the proof.
"""

from __future__ import annotations

import contextlib
import io
import re
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

from peer_loops import PEERS

from spinn_edge.bench.boundaries import BOUND, HOST_TO_HOST
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.tensors import Array, Feeds

NOT_FROM_PIP = (
    "onnxruntime_perf_test is not installable from pip: the wheel of onnxruntime 1.31.1 does not "
    "hold it. What the wheel holds is onnxruntime_test, which is measured here, and scripts that "
    "are made for transformers (onnxruntime.transformers: benchmark.py, bert_perf_test.py)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a harness said of one batch size.

    Attributes:
        reported_s: its figure.
        outputs: by name, of a call it timed.
    """

    reported_s: float
    outputs: Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Harness:
    """Another's way to time.

    Attributes:
        title: how tables call it.
        distribution: package behind it, as pip calls it.
        figure: what it reports, in words.
        runtime: ours that runs the same.
        boundary: ours that spans the same.
        ask: takes a bundle, feeds and the number of runs.
    """

    title: str
    distribution: str
    figure: str
    runtime: str
    boundary: str
    ask: Callable[[Bundle, Feeds, int], Answer]


def ask_torch(bundle: Bundle, feeds: Feeds, runs: int) -> Answer:
    """Let ``torch.utils.benchmark`` time the eager module; it chooses the number of runs."""
    from torch.utils import benchmark

    peer = PEERS["torch"]
    with peer.open(bundle) as loop:
        call = loop.prepare(feeds)
        timer = benchmark.Timer(stmt="call()", globals={"call": call}, num_threads=1)
        return Answer(reported_s=float(timer.blocked_autorange().median), outputs=loop.read(call()))


def ask_polygraphy(bundle: Bundle, feeds: Feeds, runs: int) -> Answer:
    """Collect the runner's ``last_inference_time``; a tenth of the runs before is warm-up."""
    with PEERS["polygraphy"].open(bundle) as loop:
        call: Any = loop.prepare(feeds)
        runner = call.func.__self__
        for _ in range(runs // 10):
            call()
        times_s = []
        for _ in range(runs):
            outputs = call()
            times_s.append(float(runner.last_inference_time()))
        return Answer(reported_s=statistics.median(times_s), outputs=loop.read(outputs))


def ask_onnxruntime_test(bundle: Bundle, feeds: Feeds, runs: int) -> Answer:
    """Let the tool of the onnxruntime wheel run the model; read what it prints.

    It has no option for threads: its session is given one from outside.
    """
    import onnxruntime as ort
    from onnxruntime.tools import onnxruntime_test

    (file,) = bundle.manifest.files_of("onnx", "fp32")
    names = [spec.name for spec in bundle.manifest.outputs]
    open_session = ort.InferenceSession

    def with_one_thread(path: str, sess_options: Any = None, **options: Any) -> Any:
        settings = sess_options or ort.SessionOptions()
        settings.intra_op_num_threads = 1
        return open_session(path, settings, **options)

    said = io.StringIO()
    with (
        mock.patch.object(ort, "InferenceSession", with_one_thread),
        contextlib.redirect_stdout(said),
    ):
        _, _, arrays = onnxruntime_test.run_model(
            str(bundle.path_of(file)), runs, feeds=dict(feeds)
        )
    found = re.search(r"avg latency: (\S+) ms", said.getvalue())
    assert found is not None, said.getvalue()
    return Answer(reported_s=float(found[1]) / 1e3, outputs=dict(zip(names, arrays, strict=True)))


HARNESSES = {
    "torch-timer": Harness(
        title="`torch.utils.benchmark.Timer`",
        distribution="torch",
        figure="median of `blocked_autorange`",
        runtime="eager",
        boundary=BOUND,
        ask=ask_torch,
    ),
    "polygraphy-time": Harness(
        title="Polygraphy",
        distribution="polygraphy",
        figure="median of `last_inference_time`",
        runtime="ort-cpu",
        boundary=HOST_TO_HOST,
        ask=ask_polygraphy,
    ),
    "onnxruntime-test": Harness(
        title="`onnxruntime_test`",
        distribution="onnxruntime",
        figure="mean, no warm-up",
        runtime="ort-cpu",
        boundary=HOST_TO_HOST,
        ask=ask_onnxruntime_test,
    ),
}
"""In the order in which they are launched and shown."""
