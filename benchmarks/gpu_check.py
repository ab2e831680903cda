"""Everything that needs an NVIDIA GPU, in one go: ``make gpu-check``.

Makes two networks (18-512-512-512-256-2 and the same with 68.5 % fewer parameters, seeded, not
trained), exports them for the GPU of this machine, runs the tests marked ``gpu``, times dense and
pruned at all boundaries, and takes the figures that only a GPU can give. It uses whatever of
torch, onnxruntime-gpu, tensorrt and tensorrt-rtx is installed, installs nothing and needs no
network. What could not run is written down with its reason.

Writes ``gpu-<device>.json`` and ``gpu-<device>.md`` into ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recorded import RESULTS, Figure, figures_table, without_samples, write_recorded

from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.result import BenchResult
from spinn_edge.bench.session import BenchRequest, run_bench
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import encode
from spinn_edge.core.errors import RuntimeUnavailableError, SpinnEdgeError
from spinn_edge.core.manifest import PRECISIONS, Architecture
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.models.loading import LoadedModel
from spinn_edge.report.json_document import bench_document
from spinn_edge.report.markdown import results_markdown
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.nvidia.driver import CudaDevice, find_device

HERE = Path(__file__).resolve().parent
WIDTHS = (18, 512, 512, 512, 256, 2)
BATCHES = (1, 32, 1000, 16384)
BUDGET_S = 450.0
"""Time for everything; what does not fit is skipped by name."""
TESTS_S = 150.0
"""Time for the tests out of that."""
ONE_JOB_S = 60.0
"""Time for one runtime on one network, start and compilation included."""

# The slow ones last: what the budget does not allow is then what takes longest to compile.
RUNTIMES = (
    *("trt", "trt-no-graph", "ort-cuda-graph", "ort-cuda", "eager-cuda"),
    *("torchscript-cuda", "pt2-cuda", "compile-cuda", "compile-cuda-reduce-overhead"),
    "compile-cuda-max-autotune",
)
WRAPPED = ("trt", "ort-cuda", "ort-cuda-graph")
"""Runtimes that ``raw_cuda.py`` also drives without us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What is left of the budget."""

    end_s: float

    @property
    def left_s(self) -> float:
        """Seconds until the budget is spent, at least 0."""
        return max(0.0, self.end_s - time.monotonic())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check; the exit code is 6 without a GPU and 1 when a figure or a test failed."""
    options = _parse(arguments)
    started = time.monotonic()
    try:
        device = find_device()
    except RuntimeUnavailableError as exc:
        print(f"gpu-check needs an NVIDIA GPU: {exc}. Nothing was run.", file=sys.stderr)
        return RuntimeUnavailableError.exit_code
    clock = Clock(end_s=started + options.budget)
    skipped: list[str] = []
    with tempfile.TemporaryDirectory(prefix="spinn-edge-gpu-") as folder:
        dense, pruned = _networks(options, Path(folder), device, skipped)
        tests = _run_tests(clock, skipped)
        results = [
            result
            for runtime in options.runtimes
            if (result := _time(runtime, dense, pruned, options, clock, skipped)) is not None
        ]
        probes = [
            answer
            for runtime in options.runtimes
            for answer in _probe(runtime, pruned, clock, skipped)
        ]
    result = _joined(results)
    figures = _figures(result, probes)
    document = {
        "device": encode(device),
        "wall_s": round(time.monotonic() - started, 1),
        "tests": tests,
        "figures": encode(figures),
        "skipped": skipped,
        "probes": probes,
        "bench": None if result is None else _summary(result),
    }
    _write(document, figures, result, device, options.out)
    failed = tests["exit_code"] not in (0, None) or any(f.met is False for f in figures)
    return 1 if failed else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--dense", type=Path, help="bundle to take instead of making one")
    parser.add_argument("--pruned", type=Path, help="bundle to take instead of making one")
    parser.add_argument("--seconds", type=float, default=0.2, help="time for samples of each row")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds for everything")
    parser.add_argument("--runtimes", type=lambda text: tuple(text.split(",")), default=RUNTIMES)
    options = parser.parse_args(arguments)
    if (options.dense is None) != (options.pruned is None):
        parser.error("--dense and --pruned go together")
    return options


def _networks(
    options: argparse.Namespace, folder: Path, device: CudaDevice, skipped: list[str]
) -> tuple[Bundle, Bundle]:
    """Load the bundles that were named, or make two."""
    if options.dense is not None:
        return Bundle.load(options.dense), Bundle.load(options.pruned)
    import torch

    from spinn_edge.models.cutting import cut
    from spinn_edge.models.modules import MLP
    from spinn_edge.pruning.graph.chain import chain_groups
    from spinn_edge.pruning.targets.flops import even_plans
    from spinn_edge.pruning.targets.mlp_plan import plan_mlp

    torch.manual_seed(0)
    dense = MLP(WIDTHS, "tanh").eval()
    (plan,) = plan_mlp(WIDTHS, target=0.685, rounds=1, round_to=16)
    # which neurons stay does not matter here: the weights are random
    pruned = cut(dense, even_plans(chain_groups(dense).groups, plan.widths[1:-1]))
    return (
        _export(dense, folder / "dense", device, skipped),
        _export(pruned, folder / "pruned", device, skipped),
    )


def _export(mlp: Any, out: Path, device: CudaDevice, skipped: list[str]) -> Bundle:
    """Write every format that can be written here; engines for this GPU alone."""
    loaded = LoadedModel(
        origin=out.name,
        architecture=Architecture(kind="mlp", widths=mlp.widths, activation=mlp.activation),
        module=mlp,
    )
    request = ExportRequest(
        formats=("torchscript", "pt2", "onnx", "trt"),
        precisions=("fp32", "fp16"),
        max_batch=BATCHES[-1],
        compute_capabilities=(device.sm,),
    )
    print(f"exporting {out.name}", flush=True)
    try:
        return write_bundle(loaded, out, request)
    except SpinnEdgeError as exc:
        skipped.append(f"engines of {out.name}: {exc}")
    return write_bundle(loaded, out, replace(request, formats=request.formats[:-1]))


def _run_tests(clock: Clock, skipped: list[str]) -> dict[str, Any]:
    """Run pytest on what is marked ``gpu``; its closing line is the result."""
    print("running the tests marked gpu", flush=True)
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-rs", "-p", "no:cacheprovider"]
    command += ["-W", "default"]  # other versions of the packages may warn of other things
    try:
        done = subprocess.run(
            command,
            cwd=HERE.parent,
            capture_output=True,
            text=True,
            check=False,
            timeout=min(TESTS_S, clock.left_s),
        )
    except subprocess.TimeoutExpired:
        skipped.append(f"tests: not finished in {TESTS_S:g} s")
        return {"exit_code": None, "closing_line": "not finished", "failures": []}
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or [""]
    print(lines[-1], flush=True)
    return {
        "exit_code": done.returncode,
        "closing_line": lines[-1],
        "failures": [line for line in lines if line.startswith(("FAILED", "ERROR", "SKIPPED"))],
    }


def _time(
    runtime: str,
    dense: Bundle,
    pruned: Bundle,
    options: argparse.Namespace,
    clock: Clock,
    skipped: list[str],
) -> BenchResult | None:
    """Time both networks on one runtime, at every precision that the bundle has for it."""
    found = registry.probe(runtime)
    if not found.available:
        skipped.append(f"{runtime}: {found.reason}")
        return None
    if clock.left_s < ONE_JOB_S:
        skipped.append(f"{runtime}: no time left")
        return None
    format_name = registry.find(runtime).format
    precisions = tuple(p for p in PRECISIONS if pruned.manifest.files_of(format_name, p))
    if not precisions:
        skipped.append(f"{runtime}: the bundle holds no {format_name} file")
        return None
    request = BenchRequest(
        runtimes=(runtime,),
        precisions=precisions,
        batches=BATCHES,
        launches=1,
        timeout_s=min(ONE_JOB_S, clock.left_s / (2 * len(precisions))),  # of two networks
        rule=TimingRule(budget_s=options.seconds, warmup_s=0.1),
    )
    return run_bench(
        pruned,
        request,
        baseline=dense,
        on_launch=lambda item, launch: print(
            f"launch {launch}: {item.label} on {item.runtime}", flush=True
        ),
    )


def _probe(runtime: str, pruned: Bundle, clock: Clock, skipped: list[str]) -> list[dict[str, Any]]:
    """Ask a child process for parity, memory growth and the wrapper's cost on one runtime."""
    if not registry.probe(runtime).available:
        return []
    wanted = ["parity", "memory", *(["overhead"] if runtime in WRAPPED else [])]
    format_name = registry.find(runtime).format
    answers = []
    for precision in PRECISIONS:
        if not pruned.manifest.files_of(format_name, precision):
            continue
        for probe in wanted if precision == PRECISIONS[0] else ["parity"]:
            what = f"{probe} of {runtime}, {precision}"
            if clock.left_s < 5:
                skipped.append(f"{what}: no time left")
                continue
            answers += _ask([probe, runtime, precision, str(pruned.root)], what, clock, skipped)
    return answers


def _ask(arguments: list[str], what: str, clock: Clock, skipped: list[str]) -> list[dict[str, Any]]:
    print(what, flush=True)
    try:
        done = subprocess.run(
            [sys.executable, str(HERE / "gpu_probes.py"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=min(ONE_JOB_S, clock.left_s),
        )
    except subprocess.TimeoutExpired:
        skipped.append(f"{what}: not finished in {ONE_JOB_S:g} s")
        return []
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        skipped.append(f"{what}: {last}")
        return []
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return [answer]


def _joined(results: Sequence[BenchResult]) -> BenchResult | None:
    """Put the rows of all runtimes into one result."""
    if not results:
        return None
    rows = tuple(row for result in results for row in result.rows)
    return replace(results[0], rows=rows)


def _figures(result: BenchResult | None, probes: Sequence[dict[str, Any]]) -> list[Figure]:
    figures = [_speedup(result)]
    for precision, limit in (("fp32", 1e-5), ("fp16", 5e-3)):
        found = [p for p in probes if p["probe"] == "parity" and p["precision"] == precision]
        worst = max(found, key=_badness, default=None)
        figures.append(
            _limit(
                f"{precision} parity, max abs over output scale, worst runtime",
                None if worst is None else float(worst["over_scale"]),
                limit,
                "" if worst is None else f" ({worst['runtime']})",
            )
        )
    for answer in probes:
        if answer["probe"] == "overhead":
            figures.append(
                _limit(
                    f"{answer['runtime']}: host to host, our wrapper over the raw API, batch 1",
                    float(answer["ratio"]) - 1,
                    0.05,
                )
            )
    for answer in probes:
        if answer["probe"] == "memory":
            grown = f"host {answer['host_bytes']:+d} B, device {answer['device_bytes']:+d} B"
            figures.append(
                Figure(
                    name=f"{answer['runtime']}: memory after 10,000 runs against after 100",
                    wanted="no growth (host: under 1 MiB, which the allocator may take)",
                    measured=grown,
                    met=answer["host_bytes"] < 2**20 and answer["device_bytes"] <= 0,
                )
            )
    return figures


def _badness(probe: dict[str, Any]) -> tuple[bool, float]:
    """Return what NaN is the worst of."""
    share = float(probe["over_scale"])
    return math.isnan(share), share


def _speedup(result: BenchResult | None) -> Figure:
    medians = {
        row.runtime: row.median_s
        for row in (() if result is None else result.rows)
        if (row.bundle, row.batch, row.boundary, row.precision) == ("pruned", 1, "device", "fp32")
        and row.median_s is not None
    }
    eager = medians.get("eager-cuda")
    fast = {name: medians[name] for name in ("trt", "ort-cuda-graph") if name in medians}
    wanted = "≥ 5×"
    name = "pruned, batch 1, device time against eager"
    if eager is None or not fast:
        return Figure(name=name, wanted=wanted, measured="not measured", met=None)
    best = min(fast, key=lambda key: fast[key])
    ratio = eager / fast[best]
    return Figure(name=name, wanted=wanted, measured=f"{ratio:.1f}× ({best})", met=ratio >= 5)


def _limit(name: str, value: float | None, limit: float, note: str = "") -> Figure:
    wanted = f"≤ {limit:g}"
    if value is None:
        return Figure(name=name, wanted=wanted, measured="not measured", met=None)
    return Figure(name=name, wanted=wanted, measured=f"{value:.2g}{note}", met=value <= limit)


def _summary(result: BenchResult) -> dict[str, Any]:
    """Return the result without its raw samples, which would be megabytes in a repository."""
    document = bench_document(result)
    return document | {"rows": without_samples(document["rows"])}


def _write(
    document: dict[str, Any],
    figures: Sequence[Figure],
    result: BenchResult | None,
    device: CudaDevice,
    out: Path,
) -> None:
    lines = [
        f"# GPU check on {device.name}",
        "",
        f"`make gpu-check`; {document['wall_s']} s; {device.sm}, driver for CUDA "
        f"{device.driver_version}. Tests marked `gpu`: {document['tests']['closing_line']}",
        "",
        *figures_table(figures),
        "",
        "Skipped:" if document["skipped"] else "Nothing was skipped.",
        *(f"- {' '.join(reason.split())}" for reason in document["skipped"]),
        "",
    ]
    if result is not None:
        lines.append(results_markdown(result))
    print("\n".join(lines[:12]))
    write_recorded(out, "gpu", device.name, document, lines)


if __name__ == "__main__":
    sys.exit(main())
