"""How long ``spinn-edge verify`` takes where there is no torch.

    python3 -m venv target && target/bin/pip install '.[ort]'
    python benchmarks/verify_on_target.py target/bin/python demo-output/pruned

Prints the median wall time of ten runs on ort-cpu, start of the interpreter included. The target is
any interpreter that has this package with its extra ``ort``; one that can import torch is refused,
since it would not show what a device without it does.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

RUNS = 10
WANTED_S = 2.0
WITHOUT = ("torch", "onnx")


def main(interpreter: str, bundle: str) -> int:
    """Print what was reached beside what was wanted; return the exit code."""
    if there := importable(interpreter, WITHOUT):
        print(
            f"{interpreter} can import {' and '.join(there)}; expected an environment with "
            "numpy and onnxruntime only, such as: python3 -m venv target && "
            "target/bin/pip install '.[ort]'",
            file=sys.stderr,
        )
        return 2
    times_s = verify_times(interpreter, bundle)
    median_s = statistics.median(times_s)
    print("| figure | wanted | measured |\n|---|---|---|")
    print(
        f"| `spinn-edge verify {Path(bundle).name} --runtime ort-cpu`, torch not installed, "
        f"median of {len(times_s)} | ≤ {WANTED_S:.0f} s | {median_s:.2f} s "
        f"({min(times_s):.2f} to {max(times_s):.2f}) |"
    )
    return 0 if median_s <= WANTED_S else 1


def importable(interpreter: str, modules: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of ``modules`` an interpreter finds."""
    code = "import importlib.util as u, sys; print(*(m for m in sys.argv[1:] if u.find_spec(m)))"
    done = subprocess.run(
        [interpreter, "-c", code, *modules], capture_output=True, text=True, check=True
    )
    return tuple(done.stdout.split())


def verify_times(
    interpreter: str, bundle: str, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Return the wall time of each run, in seconds.

    Raises:
        SystemExit: the verification failed; its own words stand on standard error.
    """
    command = [interpreter, "-m", "spinn_edge", "verify", bundle, "--runtime", "ort-cpu"]
    times_s = []
    for _ in range(RUNS):
        start_s = clock()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        times_s.append(clock() - start_s)
        if done.returncode:
            sys.stderr.write(done.stderr)
            raise SystemExit(done.returncode)
    return times_s


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2]))
