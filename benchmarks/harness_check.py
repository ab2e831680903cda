"""Does the harness tell the truth? Planted differences, and none at all.

``PYTHONPATH=. python benchmarks/harness_check.py BUNDLE``, on a machine that does nothing else.
``BUNDLE`` holds an ONNX file, such as ``demo-output/pruned``. Prints a Markdown table; ``--only
NAME`` takes one line of it.

- *A/A*: the bundle against a copy of itself on ort-cpu, twenty times; every "faster" or "slower" is
  false.
- *planted*: a runtime that waits busily, and the same one 15 % slower, twenty times.
- *tail*: a runtime of which 3 % of the runs are five times slower.
- *parent*: the processor time of the process that waits for the workers.
- *bare loop*: our median at batch 1 against a plain loop around ``session.run`` in processes of its
  own, launches in turn.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from spinn_edge.bench import session
from spinn_edge.bench.intervals import NO_DIFFERENCE, SLOWER, speedup_interval, speedup_of
from spinn_edge.bench.launch import run_in_process
from spinn_edge.bench.measurement import HOST_TO_HOST, Row
from spinn_edge.bench.session import BenchRequest, run_bench
from spinn_edge.bench.timing import TimingRule
from spinn_edge.core.bundle import Bundle
from spinn_edge.runtimes import registry
from tests.fakes.runtime import ENTRY, doubling_bundle

HERE = Path(__file__).resolve().parent
REPEATS = 20
LAUNCHES = 5

BARE_LOOP = """
import json, sys, time
import numpy as np, onnxruntime as ort
settings = ort.SessionOptions()
settings.intra_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], settings, providers=["CPUExecutionProvider"])
golden = np.load(sys.argv[2])
feeds = {key.split("/", 1)[1]: golden[key][:1] for key in golden.files if key.startswith("input/")}
for _ in range(2000):
    session.run(None, feeds)
samples = []
for _ in range(5000):
    start = time.perf_counter_ns()
    session.run(None, feeds)
    samples.append(time.perf_counter_ns() - start)
print(json.dumps(sorted(samples)[len(samples) // 2] / 1e9))
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--only", choices=[*CHECKS])
    options = parser.parse_args()
    print("| figure | wanted | measured |\n|---|---|---|", flush=True)
    for name, check in CHECKS.items():
        if options.only in (None, name):
            print(f"| {check(Bundle.load(options.bundle))} |", flush=True)


def same_things(bundle: Bundle) -> str:
    """Compare a bundle with a copy of itself."""
    calls = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(bundle.root, copy)
        for _ in range(REPEATS):
            (row,) = _timed(Bundle.load(copy), bundle, "ort-cpu")
            calls.append(row.verdict)
    false = sum(call != NO_DIFFERENCE for call in calls)
    return f"A/A on ort-cpu, {REPEATS} repeats: false calls | ≤ 1 | {false}"


def planted_slow_down(bundle: Bundle) -> str:
    """Compare a busy runtime with one that is 15 % slower."""
    with _planted():
        calls = []
        with tempfile.TemporaryDirectory() as folder:
            plain, slow = (doubling_bundle(Path(folder) / name) for name in ("plain", "slow15"))
            for _ in range(REPEATS):
                (row,) = _timed(slow, plain, "planted")
                calls.append(row.verdict)
    return f"planted 15 %, {REPEATS} repeats: found | ≥ 19 | {calls.count(SLOWER)}"


def planted_tail(bundle: Bundle) -> str:
    """Time a runtime of which 3 % of the runs are five times slower."""
    with _planted(), tempfile.TemporaryDirectory() as folder:
        plain, tail = (doubling_bundle(Path(folder) / name) for name in ("plain", "tail"))
        (row,) = _timed(tail, plain, "planted")
    assert row.p99_s is not None
    assert row.median_s is not None
    assert row.mean_s is not None
    shown = f"p99 {row.p99_s / row.median_s:.1f} × median, mean {row.mean_s / row.median_s:.2f} ×"
    return f"3 % of runs five times slower | p99 ≈ 5 ×, mean ≈ 1.12 × | {shown}"


def parent_cpu(bundle: Bundle) -> str:
    """Measure what the waiting process itself burns."""
    request = BenchRequest(
        runtimes=("ort-cpu",),
        batches=(1000,),
        rule=TimingRule(budget_s=20.0, median_within=0.0, most_samples=10**6),
    )
    start, used = time.perf_counter(), time.process_time()
    run_bench(bundle, request)
    share = (time.process_time() - used) / (time.perf_counter() - start)
    return f"parent's processor time during a 20 s run | ≤ 1 % | {share:.2%}"


def bare_loop(bundle: Bundle) -> str:
    """Compare our median with that of a plain loop, launch by launch."""
    (onnx,) = bundle.manifest.files_of("onnx", "fp32")
    golden = bundle.root / "golden.npz"
    ours, theirs = [], []
    for _ in range(LAUNCHES):
        command = [sys.executable, "-c", BARE_LOOP, str(bundle.path_of(onnx)), str(golden)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        theirs.append(float(json.loads(done.stdout)))
        request = BenchRequest(runtimes=("ort-cpu",), batches=(1,))
        (row,) = (r for r in run_bench(bundle, request).rows if r.boundary == HOST_TO_HOST)
        assert row.median_s is not None
        ours.append(row.median_s)
    ratio = speedup_of(ours, theirs)
    between = speedup_interval(ours, theirs)
    assert ratio is not None
    assert between is not None
    return (
        "our batch-1 median over a bare session.run loop's | within 5 %, or less | "
        f"{ratio:.3f} ({between.low:.3f} to {between.high:.3f}); medians "
        f"{statistics.median(ours) * 1e6:.1f} and {statistics.median(theirs) * 1e6:.1f} µs"
    )


def _timed(bundle: Bundle, baseline: Bundle, runtime: str) -> list[Row]:
    request = BenchRequest(runtimes=(runtime,), batches=(1,), launches=LAUNCHES)
    rows = run_bench(bundle, request, baseline=baseline).rows
    return [row for row in rows if row.baseline_medians_s and row.boundary == HOST_TO_HOST]


class _planted:
    """Register the planted runtime, here and in the workers."""

    def __enter__(self) -> None:
        registry.RUNTIMES["planted"] = ENTRY
        worker = (sys.executable, str(HERE / "planted_worker.py"))
        session.run_in_process = functools.partial(run_in_process, command=worker)  # type: ignore[attr-defined]

    def __exit__(self, *details: object) -> None:
        session.run_in_process = run_in_process  # type: ignore[attr-defined]
        del registry.RUNTIMES["planted"]


CHECKS: dict[str, Callable[[Bundle], str]] = {
    "bare-loop": bare_loop,
    "a-a": same_things,
    "planted": planted_slow_down,
    "tail": planted_tail,
    "parent": parent_cpu,
}

if __name__ == "__main__":
    main()
