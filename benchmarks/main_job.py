"""The figures of the main job, from one demo: ``python benchmarks/main_job.py demo-output``.

Run ``spinn-edge demo --out demo-output`` first, on a machine that does nothing else. Prints a
Markdown table; the numbers in README are from it. Ratios are of medians in one run; times belong to
their machine.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.manifest import Manifest


def main(folder: Path) -> None:
    """Print what was reached beside what was wanted."""
    dense, pruned = (Bundle.load(folder / name).manifest for name in ("dense", "pruned"))
    rows = json.loads((folder / "results.json").read_text())["rows"]
    assert dense.parameters is not None
    assert pruned.parameters is not None
    assert dense.training is not None
    assert pruned.training is not None
    lines = [
        ("parameters removed", "68.5 % ± 0.3", f"{1 - pruned.parameters / dense.parameters:.2%}"),
        *(
            (
                f"R² of {name}, pruned against dense",
                "≥ -0.01",
                f"{_number(pruned.training.scores.r2[name]) - _number(score):+.4f}",
            )
            for name, score in dense.training.scores.r2.items()
        ),
        ("ort-cpu, pruned against dense, batch 1000", "≥ 3.0×", _speedup(rows, 1000)),
        ("ort-cpu, pruned against dense, batch 1", "≥ 1.8×", _speedup(rows, 1)),
        ("ort-cpu against eager, pruned, batch 1", "≥ 3×", _against_eager(rows)),
        *(
            (
                f"{name}: largest difference from eager, over scale",
                "≤ 1e-5",
                f"{_worst_proof(manifest):.1e}",
            )
            for name, manifest in (("dense", dense), ("pruned", pruned))
        ),
        ("engine for SM120, no GPU, after import", "< 1 s", f"{_build_s(folder):.3f} s"),
        ("spinn-edge --help, median of 10", "≤ 0.4 s", f"{_help_s():.2f} s"),
    ]
    print("| figure | wanted | measured |\n|---|---|---|")
    for line in lines:
        print(f"| {' | '.join(line)} |")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _median_s(rows: list[dict[str, Any]], bundle: str, runtime: str, batch: int) -> float:
    (row,) = [
        row
        for row in rows
        if (row["bundle"], row["runtime"], row["batch"]) == (bundle, runtime, batch)
    ]
    return float(row["median_s"])


def _speedup(rows: list[dict[str, Any]], batch: int) -> str:
    ratio = _median_s(rows, "dense", "ort-cpu", batch) / _median_s(rows, "pruned", "ort-cpu", batch)
    return f"{ratio:.2f}×"


def _against_eager(rows: list[dict[str, Any]]) -> str:
    ratio = _median_s(rows, "pruned", "eager", 1) / _median_s(rows, "pruned", "ort-cpu", 1)
    return f"{ratio:.2f}×"


def _worst_proof(manifest: Manifest) -> float:
    """Return the largest proven difference as a share of scale; a tolerance is 1e-5 of it."""
    return max(
        1e-5 * point.max_abs / point.tolerance for entry in manifest.files for point in entry.proof
    )


def _build_s(folder: Path) -> float:
    code = (
        "import sys, tempfile, time\n"
        "from pathlib import Path\n"
        "from spinn_edge.core.bundle import Bundle\n"
        "from spinn_edge.export.trt import build_engines\n"
        "import onnx, tensorrt_rtx\n"
        "bundle = Bundle.load(Path(sys.argv[1]))\n"
        "start = time.perf_counter()\n"
        "with tempfile.TemporaryDirectory() as out:\n"
        "    (entry,) = build_engines(bundle.root / 'model.onnx', Path(out), max_batch=1024,\n"
        "        inputs=bundle.manifest.inputs, compute_capabilities=('SM120',))\n"
        "    assert (Path(out) / entry.path).read_bytes()[:4] == b'vtrt'\n"
        "    print(time.perf_counter() - start)\n"
    )
    command = [sys.executable, "-c", code, str(folder / "dense")]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _help_s() -> float:
    program = str(Path(sys.executable).with_name("spinn-edge"))
    samples = []
    for _ in range(10):
        start = time.perf_counter()
        subprocess.run([program, "--help"], check=True, stdout=subprocess.DEVNULL)
        samples.append(time.perf_counter() - start)
    return statistics.median(samples)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
