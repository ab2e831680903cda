"""One peer or one harness in a process of its own: ``peer_worker.py NAME BUNDLE 1=5000,1000=250``.

The last argument says how many samples are taken at which batch size. Answers with one line of
JSON, by batch size.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from peer_harnesses import HARNESSES, Harness
from peer_loops import PEERS, Loop

from spinn_edge.accuracy.golden_check import MOST_CALLS
from spinn_edge.accuracy.parity import Parity, against_reference, compare
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.golden import Golden
from spinn_edge.core.tensors import Array

WARM_RUNS, WARM_S = 20, 0.3
Clock = Callable[[], int]


def check_loop(loop: Loop, golden: Golden, batch: int, limits: Mapping[str, Array]) -> Parity:
    """Run the golden samples in calls of ``batch``; return a verdict that failed, or the worst."""
    verdicts = []
    for number in range(min(-(-golden.rows // batch), MOST_CALLS)):
        sample = golden.at_batch(batch, start=number * batch)
        outputs = loop.read(loop.prepare(sample.inputs)())
        verdicts.append(compare(outputs, sample.outputs, limits))
        if not verdicts[-1].passed:
            return verdicts[-1]
    return max(verdicts, key=lambda verdict: verdict.used_share)


def time_call(
    call: Callable[[], Any], samples: int, clock: Clock = time.perf_counter_ns
) -> list[float]:
    """Warm up, then take the time of single calls, seconds; none is dropped."""
    begin, runs = clock(), 0
    while runs < WARM_RUNS or clock() - begin < WARM_S * 1e9:
        call()
        runs += 1
    times_ns = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(samples):
            start = clock()
            call()
            times_ns.append(clock() - start)
    finally:
        gc.enable()
    return [ns / 1e9 for ns in times_ns]


def time_peer(name: str, bundle: Bundle, samples: Mapping[int, int]) -> dict[str, Any]:
    """Prove and time one peer at each batch size; one that computes something else gets no time."""
    golden = bundle.golden()
    limits = against_reference(bundle.manifest.parity)
    answers: dict[str, Any] = {}
    with PEERS[name].open(bundle) as loop:
        for batch, count in samples.items():
            parity = check_loop(loop, golden, batch, limits)
            answers[str(batch)] = {
                "used_share": parity.used_share,
                "refused": _refused(loop, parity),
            }
            if parity.passed:
                call = loop.prepare(golden.at_batch(batch).inputs)
                answers[str(batch)]["samples_s"] = time_call(call, count)
    return answers


def _refused(loop: Loop, parity: Parity) -> str | None:
    """Return why a peer gets no number; None where it gets one."""
    if parity.reason is None or not loop.remark:
        return parity.reason
    return f"{loop.remark}: {parity.reason}"


def ask_harness(harness: Harness, bundle: Bundle, samples: Mapping[int, int]) -> dict[str, Any]:
    """Ask a harness at each batch size; one that ran something else gets no figure."""
    limits = against_reference(bundle.manifest.parity)
    answers: dict[str, Any] = {}
    for batch, count in samples.items():
        sample = bundle.golden().at_batch(batch)
        answer = harness.ask(bundle, sample.inputs, count)
        parity = compare(answer.outputs, sample.outputs, limits)
        answers[str(batch)] = {"used_share": parity.used_share, "refused": parity.reason}
        if parity.passed:
            answers[str(batch)]["samples_s"] = [answer.reported_s]
    return answers


def parse_samples(text: str) -> dict[int, int]:
    """Return ``{1: 5000, 1000: 250}`` of ``1=5000,1000=250``."""
    pairs = (part.split("=") for part in text.split(","))
    return {int(batch): int(count) for batch, count in pairs}


def main(name: str, folder: str, samples: str) -> None:
    """Answer on standard output, in its last line."""
    bundle, counts = Bundle.load(Path(folder)), parse_samples(samples)
    if name in HARNESSES:
        answers = ask_harness(HARNESSES[name], bundle, counts)
    else:
        answers = time_peer(name, bundle, counts)
    print("\n" + json.dumps(answers), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
