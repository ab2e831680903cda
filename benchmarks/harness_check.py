"""Does the harness tell the truth? Planted differences, and none at all.

``PYTHONPATH=. python benchmarks/harness_check.py BUNDLE``, on a machine that does nothing else.
``BUNDLE`` holds an ONNX file, such as ``demo-output/pruned``. Prints a Markdown table; ``--only
NAME`` takes one line of it; ``--out benchmarks/results`` also writes ``harness-<machine>.json`` and
``.md``. The exit code is 1 when a figure was missed.

- *A/A*: the bundle against a copy of itself on ort-cpu, twenty times; every "faster" or "slower" is
  false.
- *planted*: a runtime that waits busily, and the same one 15 % slower, twenty times.
- *tail*: a runtime of which 3 % of the runs are five times slower.
- *parent*: the processor time of the process that waits for the workers.
- *bare loop*: our median at batch 1 against a plain loop around ``session.run`` in processes of its
  own, launches in turn.
- *pairs*: medians of workers that started together (on ort-cpu, and on torchscript, which has more
  to import) against those of workers that started alone, in turn, forty of each.
- *failures*: runtimes that crash, hang, take all memory or return NaN, in one bench with healthy
  ones; see ``planted_failures.py``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from planted_failures import check_failures
from planting import planted_runtime
from recorded import (
    FIGURES_HEAD,
    Figure,
    figures_table,
    machine_lines,
    machine_name,
    write_recorded,
)

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.evidence.intervals import (
    NO_DIFFERENCE,
    SLOWER,
    speedup_interval,
    speedup_of,
)
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.machine.environment import describe_environment
from spinn_edge.bench.machine.machine_load import LoadWatch
from spinn_edge.bench.machine.noise_advice import noise_advice
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.launch import run_in_process, run_started_together
from spinn_edge.bench.processes.worker import Job
from spinn_edge.bench.session import BenchRequest, run_bench
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import encode
from spinn_edge.runtimes.base import OpenOptions
from tests.fakes.runtime import doubling_bundle

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; the exit code is 1 when a figure was missed."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--only", choices=[*CHECKS])
    parser.add_argument("--out", type=Path, help="folder to write the table and the machine into")
    options = parser.parse_args(arguments)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    environment = describe_environment()
    bundle = Bundle.load(options.bundle)
    figures = []
    watch = LoadWatch.start()
    print("\n".join(FIGURES_HEAD), flush=True)
    for name, check in CHECKS.items():
        if options.only in (None, name):
            figures.append(check(bundle))
            print(figures[-1].line, flush=True)
    load = watch.stop()
    if options.out is not None:
        document = {
            "created_utc": created,
            "bundle": bundle.name,
            "environment": encode(environment),
            "load": encode(load),
            "figures": encode(figures),
        }
        page = [
            f"# The harness on {machine_name(environment)}",
            "",
            f"`PYTHONPATH=. python benchmarks/harness_check.py {bundle.name} --out "
            f"benchmarks/results`, {created}.",
            "",
            *figures_table(figures),
            "",
            *machine_lines(environment, noise_advice(environment, load)),
        ]
        write_recorded(options.out, "harness", machine_name(environment), document, page)
    return 1 if any(figure.met is False for figure in figures) else 0


def same_things(bundle: Bundle) -> Figure:
    """Compare a bundle with a copy of itself."""
    calls = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(bundle.root, copy)
        for _ in range(REPEATS):
            (row,) = _timed(Bundle.load(copy), bundle, "ort-cpu")
            calls.append(row.verdict)
    false = sum(call != NO_DIFFERENCE for call in calls)
    return Figure(
        name=f"A/A on ort-cpu, {REPEATS} repeats: false calls",
        wanted="≤ 1",
        measured=str(false),
        met=false <= 1,
    )


def planted_slow_down(bundle: Bundle) -> Figure:
    """Compare a busy runtime with one that is 15 % slower."""
    with planted_runtime():
        calls = []
        with tempfile.TemporaryDirectory() as folder:
            plain, slow = (doubling_bundle(Path(folder) / name) for name in ("plain", "slow15"))
            for _ in range(REPEATS):
                (row,) = _timed(slow, plain, "planted")
                calls.append(row.verdict)
    found = calls.count(SLOWER)
    return Figure(
        name=f"planted 15 %, {REPEATS} repeats: found",
        wanted="≥ 19",
        measured=str(found),
        met=found >= 19,
    )


def planted_tail(bundle: Bundle) -> Figure:
    """Time a runtime of which 3 % of the runs are five times slower."""
    with planted_runtime(), tempfile.TemporaryDirectory() as folder:
        plain, tail = (doubling_bundle(Path(folder) / name) for name in ("plain", "tail"))
        (row,) = _timed(tail, plain, "planted")
    assert row.p99_s is not None
    assert row.median_s is not None
    assert row.mean_s is not None
    p99, mean = row.p99_s / row.median_s, row.mean_s / row.median_s
    return Figure(
        name="3 % of runs five times slower",
        wanted="p99 ≥ 4.5 × median (planted: 5), mean ≥ 1.08 × (planted: 1.12)",
        measured=f"p99 {p99:.1f} ×, mean {mean:.2f} ×",
        met=p99 >= 4.5 and mean >= 1.08,
    )


def parent_cpu(bundle: Bundle) -> Figure:
    """Measure what the waiting process itself burns."""
    request = BenchRequest(
        runtimes=("ort-cpu",),
        batches=(1000,),
        rule=TimingRule(budget_s=20.0, median_within=0.0, most_samples=10**6),
    )
    start, used = time.perf_counter(), time.process_time()
    run_bench(bundle, request)
    share = (time.process_time() - used) / (time.perf_counter() - start)
    return Figure(
        name="parent's processor time during a 20 s run",
        wanted="≤ 1 %",
        measured=f"{share:.2%}",
        met=share <= 0.01,
    )


def bare_loop(bundle: Bundle) -> Figure:
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
    return Figure(
        name="our batch-1 median over a bare session.run loop's",
        wanted="within 5 %, or less",
        measured=f"{ratio:.3f} ({between.low:.3f} to {between.high:.3f}); medians "
        f"{statistics.median(ours) * 1e6:.1f} and {statistics.median(theirs) * 1e6:.1f} µs",
        met=ratio <= 1.05,
    )


def started_together(bundle: Bundle) -> Figure:
    """Compare workers that start in pairs with workers that start alone."""
    job = Job(
        folder=str(bundle.root),
        label=bundle.name,
        runtime="",
        batches=(1,),
        boundaries=(HOST_TO_HOST,),
        options=OpenOptions(),
        rule=TimingRule(),
    )
    said, met = [], True
    for runtime in ("ort-cpu", "torchscript"):
        jobs = [replace(job, runtime=runtime)] * 2
        alone: list[float] = []
        together: list[float] = []
        for _ in range(REPEATS):
            pair = run_started_together(jobs, timeout_s=60)
            singles = [run_in_process(one, timeout_s=60) for one in jobs]
            together += [_median_s(rows) for rows in pair]
            alone += [_median_s(rows) for rows in singles]
        ratio = speedup_of(together, alone)
        between = speedup_interval(together, alone)
        assert ratio is not None
        assert between is not None
        said.append(f"{runtime} {ratio:.3f} ({between.low:.3f} to {between.high:.3f})")
        met = met and between.low <= 1.02
    return Figure(
        name="median of workers that started in pairs over that of workers that started alone",
        wanted="not above 1.02 by more than the interval",
        measured=", ".join(said),
        met=met,
    )


def _median_s(rows: Sequence[Row]) -> float:
    (row,) = rows
    assert row.median_s is not None, row.reason
    return row.median_s


def _timed(bundle: Bundle, baseline: Bundle, runtime: str) -> list[Row]:
    request = BenchRequest(runtimes=(runtime,), batches=(1,), launches=LAUNCHES)
    rows = run_bench(bundle, request, baseline=baseline).rows
    return [row for row in rows if row.baseline_medians_s and row.boundary == HOST_TO_HOST]


CHECKS: dict[str, Callable[[Bundle], Figure]] = {
    "bare-loop": bare_loop,
    "a-a": same_things,
    "planted": planted_slow_down,
    "tail": planted_tail,
    "parent": parent_cpu,
    "pairs": started_together,
    "failures": check_failures,
}

if __name__ == "__main__":
    sys.exit(main())
