"""Sources of every kind that a user may bring: small, large, incomplete, extreme, hostile."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.accuracy.divergence.waterfall import OutputError, Waterfall, WaterfallStep
from spinn_edge.bench.machine.footprint import Footprint
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.bench.understanding.roofline import RooflineRow, roofline_of
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import encode
from spinn_edge.core.manifest import Architecture, Manifest
from spinn_edge.core.pruning_record import LayerAudit, PruningAudit, RoundAudit
from spinn_edge.report.sources import NamedDocument, NamedResult, Predictions, ReportSources
from tests.fakes.ceilings import ceilings
from tests.unit.report.results import DENSE, PRUNED, result, row

HOSTILE = (
    "$\\frac{1}{0}$ $x_$",
    "<script>alert('x')</script>&amp;\"'",
    "m" * 10_000,
    "\u202eevil\u202c עברית عربى",
    "tab\tline\nbell\x07 lone\ud800 end",
    "模型 😀",
)
WATCHED = Footprint(
    import_s=0.8,
    load_s=0.02,
    first_inference_s=0.003,
    resident_after_load_bytes=250_000_000,
    peak_resident_bytes=260_000_000,
)


def timed(bundle: str, median_s: float, runs: int = 3740, **changes: Any) -> Row:
    """Return a row of three launches whose samples scatter, with a slow mode and a tail."""
    draw = random.Random(ascii((bundle, median_s, changes)))
    launches = []
    for _ in range(3):
        fast = [median_s * draw.lognormvariate(0, 0.02) for _ in range(int(0.8 * runs))]
        slow = [1.4 * median_s * draw.lognormvariate(0, 0.02) for _ in range(int(0.19 * runs))]
        tail = [median_s * draw.paretovariate(1.2) for _ in range(max(1, int(0.01 * runs)))]
        launches.append(fast + slow + tail)
    samples = tuple(one for launch in launches for one in launch)
    return row(
        bundle,
        median_s,
        samples_s=samples,
        launch_samples=tuple(map(len, launches)),
        **({"footprints": (WATCHED,)} | changes),
    )


def named(found: BenchResult, name: str = "results") -> NamedResult:
    return NamedResult.of(name, found, found.to_json())


def compared(old: Row, new: Row) -> Row:
    return replace(new, baseline_median_s=old.median_s, baseline_medians_s=old.launch_medians_s)


def grid(
    runtimes: tuple[str, ...],
    batches: tuple[int, ...],
    facts: tuple[BundleFacts, ...],
    runs: int = 3740,
) -> BenchResult:
    """Return rows of each bundle on each runtime at each batch; the first is the baseline."""
    rows = []
    for place, runtime in enumerate(runtimes):
        for batch in batches:
            first = None
            for number, one in enumerate(facts):
                median_s = 1e-4 * (1 + place) * batch**0.7 / (1 + number)
                found = timed(one.name, median_s, runs, runtime=runtime, batch=batch)
                rows.append(compared(first, found) if first else found)
                first = first or found
    return result(tuple(rows), facts)


def bundle(
    name: str, widths: tuple[int, ...] = (), audit: PruningAudit | None = None, parameters: int = 9
) -> Bundle:
    """Return a bundle without files."""
    return Bundle(
        root=Path(name),
        manifest=Manifest(
            schema_version=1,
            created_utc="2026-01-02T03:04:05+00:00",
            created_by="spinn-edge",
            architecture=Architecture(kind="mlp" if widths else "factory", widths=widths),
            inputs=(),
            outputs=(),
            max_batch=1,
            parameters=parameters,
            nonzero_parameters=parameters,
            flops_per_sample=None,
            golden_source="",
            parity={},
            files=(),
            pruning=audit,
        ),
    )


def audit(rounds: int, layers: int, *, losses: bool = True, name: str = "layer") -> PruningAudit:
    """Return an audit that ends at 210,000 of 666,882 parameters."""
    shares = [0.685 * (number + 1) / rounds for number in range(rounds)]
    return PruningAudit(
        requested=0.685,
        achieved=0.6851,
        tolerance=0.02,
        round_to=1,
        importance="l1-outgoing",
        parameters_before=666_882,
        parameters_after=210_000,
        layers=tuple(
            LayerAudit(name=f"{name}.{number}", before=64 * (number % 4 + 1), after=20 + number)
            for number in range(layers)
        ),
        rounds=tuple(
            RoundAudit(
                widths=(),
                parameters=round(666_882 * (1 - share)),
                requested=share,
                achieved=share,
                score=0.0342 / (number + 1) if losses else None,
            )
            for number, share in enumerate(shares)
        ),
    )


def predictions(targets: tuple[str, ...], models: tuple[str, ...], rows: int = 400) -> Predictions:
    draw = np.random.default_rng(0)
    measured = draw.normal(size=(rows, len(targets))) * 10.0 ** np.arange(len(targets))
    noise = {name: draw.normal(size=measured.shape) * measured.std(0) * 0.1 for name in models}
    return Predictions(
        targets=targets,
        measured=measured,
        predicted={name: measured + error for name, error in noise.items()},
        source=f"{rows} rows of test.csv",
    )


def waterfall(outputs: tuple[str, ...], shares: tuple[float, ...]) -> NamedDocument:
    """Return steps that add these shares, each to every output, and one that could not run."""
    total = 0.0
    steps = [WaterfallStep(name="dense, float64", step="", after="")]
    for number, share in enumerate(shares):
        total += share
        steps.append(
            WaterfallStep(
                name=f"form {number}",
                step="pruning" if number == 0 else "export",
                after=steps[-1].name,
                contribution=_errors(outputs, share),
                total=_errors(outputs, total),
            )
        )
    steps.append(
        WaterfallStep(name="trt fp32", step="engine", after="x", reason="no GPU: none; get one")
    )
    found = Waterfall(
        reference="dense, float64",
        rows=7,
        source="7 rows of test.csv",
        outputs=outputs,
        scale=(1.0,) * len(outputs),
        steps=tuple(steps),
    )
    return NamedDocument(name="waterfall", raw=encode(found))


def explanation(rows: int = 2, bundle: str = "pruned") -> NamedDocument:
    """Return rooflines against 100 GFLOP/s and 100 GB/s."""
    machine = ceilings()
    held = [
        RooflineRow(
            bundle=bundle,
            runtime="ort-cpu",
            served_by="ort-cpu",
            precision="fp32",
            batch=4**number,
            threads=1,
            roofline=roofline_of(4e5 * 4**number, 8e5 + 1e4 * 4**number, 2e-5 * 2**number, machine),
            reason=None,
            counted="every layer",
        )
        for number in range(rows)
    ]
    raw = {"roofline": {"ceilings": encode(machine), "rows": encode(held), "timed": []}}
    return NamedDocument(name="explain", raw=raw)


def _errors(outputs: tuple[str, ...], share: float) -> tuple[OutputError, ...]:
    return tuple(
        OutputError(output=name, max_abs=share, max_share=share / 2**n, rms_share=share / 3)
        for n, name in enumerate(outputs)
    )


RUNTIMES = ("eager", "compile", "torchscript", "pt2", "ort-cpu", "trt")
MLP = bundle("dense", (18, 512, 512, 256, 2), parameters=666_882)
SMALLER = bundle("pruned", (18, 285, 285, 142, 2), audit(3, 3), parameters=210_000)


@functools.cache
def whole() -> ReportSources:
    """Return six runtimes, two models, two batch sizes, and every document."""
    return ReportSources(
        results=(named(grid(RUNTIMES, (1, 1000), (DENSE, PRUNED))),),
        bundles=(MLP, SMALLER),
        waterfalls=(waterfall(("wear", "heat"), (0.069, 2.8e-7, 0.0)),),
        explanations=(explanation(),),
        predictions=predictions(("wear", "heat"), ("dense", "pruned")),
    )


@functools.cache
def alone() -> ReportSources:
    """Return one row of one model, timed in one launch, nothing else."""
    lone = row("dense", 2e-5, samples_s=(2e-5,) * 5, launch_samples=(5,))
    return ReportSources(results=(named(result((lone,), (DENSE,))),))


@functools.cache
def image() -> ReportSources:
    """Return a network of images: no widths, no scores, 50 groups of layers."""
    before, after = (
        replace(facts, widths=(), scores=None, parameters=count)
        for facts, count in ((DENSE, 11_689_512), (PRUNED, 3_682_199))
    )
    return ReportSources(
        results=(named(grid(("ort-cpu", "trt"), (1,), (before, after))),),
        bundles=(bundle("dense"), bundle("pruned", (), audit(12, 50, losses=False))),
        waterfalls=(waterfall(tuple(f"class {n}" for n in range(1000)), (0.02,)),),
        explanations=(explanation(0),),
    )


@functools.cache
def swept() -> ReportSources:
    """Return 14 batch sizes, and as many runtimes as have panels on two pages."""
    sizes = tuple(2**number for number in range(14))
    found = grid(("ort-cpu", "torchscript", "eager"), sizes, (DENSE, PRUNED), runs=200)
    return ReportSources(results=(named(found),))


def extreme() -> ReportSources:
    """Return values at the ends of what a machine may give."""
    assert DENSE.scores is not None
    scores = replace(
        DENSE.scores,
        r2={"wear": -3.5, "heat": None, "flow": 1.0},
        rmse={"wear": 1e30, "heat": 1e-30, "flow": 0.0},
        r2_overall=None,
    )
    huge = replace(DENSE, parameters=10**12, parameter_bytes=4 * 10**12, scores=scores)
    tiny = replace(PRUNED, parameters=1, widths=(1, 1, 1), scores=replace(scores, r2_overall=-9.0))
    most = Footprint(import_s=900.0, load_s=1e-6, resident_after_load_bytes=10**12)
    slow = timed("dense", 1000.0, footprints=(most,))
    fast = compared(slow, timed("pruned", 1e-9, footprints=(Footprint(load_s=1e-9),)))
    same = row("pruned", 1e-6, runtime="b", samples_s=(1e-6,) * 12_000, launch_samples=(12_000,))
    late = row("pruned", 1e-6, runtime="c", samples_s=(0.0, 1e-6, 50.0), launch_samples=(3,))
    return ReportSources(
        results=(named(result((slow, fast, same, late), (huge, tiny))),),
        bundles=(
            bundle("dense", (10**6, 1, 10**6), parameters=10**12),
            bundle("pruned", (1, *(40,) * 24, 1), audit(40, 24), parameters=1),
        ),
        waterfalls=(waterfall(("wear",), (1e6, 1e-18, 0.0)),),
        explanations=(explanation(12),),
        predictions=Predictions(
            targets=("same", "bad", "huge"),
            measured=np.array([[1.0, 2.0, 1e200], [1.0, 3.0, -1e200]]),
            predicted={"dense": np.array([[1.0, np.nan, 1e200], [2.0, np.inf, 1e-200]])},
            source="2 rows",
        ),
    )


@functools.cache
def hostile() -> ReportSources:
    """Return names that break out of what they are written into."""
    first, second, *more = HOSTILE
    facts = tuple(
        replace(DENSE, name=name, baseline=number == 0) for number, name in enumerate(HOSTILE)
    )
    rows = grid((first, second, "m" * 9_999 + "n", *more), (1,), facts, runs=400)
    return ReportSources(
        results=(named(rows, "../../<b>$x$"),),
        bundles=(
            bundle(first, (1, 2, 3)),
            bundle(second, (), audit(2, 3, name="m" * 5000), parameters=4),
        ),
        waterfalls=(waterfall(HOSTILE[:4], (0.5, 0.1)),),
        explanations=(explanation(2, HOSTILE[2]),),
        predictions=predictions(HOSTILE[:2], HOSTILE[1:4]),
    )


CASES: dict[str, Callable[[], ReportSources]] = {
    "whole": whole,
    "alone": alone,
    "image": image,
    "swept": swept,
    "extreme": extreme,
    "hostile": hostile,
}
