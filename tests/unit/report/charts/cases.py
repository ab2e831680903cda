"""Sources of every chart, made of results that never ran."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from spinn_edge.bench.machine.footprint import Footprint
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import encode
from spinn_edge.report.charts.chart import Chart
from spinn_edge.report.charts.drawing import charts_of
from spinn_edge.report.sources import NamedDocument, NamedResult, ReportSources
from spinn_edge.report.waterfall import waterfall_document
from tests.fakes.ceilings import ceilings
from tests.unit.report.results import DENSE, DENSE_SCORES, PRUNED, PRUNED_SCORES, result, row
from tests.unit.report.sources import beside, launched, named
from tests.unit.report.test_deadlines import paced
from tests.unit.report.test_pruning import AUDIT
from tests.unit.report.test_roofline import COMPUTED
from tests.unit.report.test_sweeps import swept
from tests.unit.report.test_waterfall import DENSE as DENSE_STEP
from tests.unit.report.test_waterfall import ENGINE, ONNX
from tests.unit.report.test_waterfall import PRUNED as PRUNED_STEP
from tests.unit.report.test_waterfall import of as waterfall_of

SCORES = replace(PRUNED_SCORES, source=DENSE_SCORES.source)
SCORED = (DENSE, replace(PRUNED, scores=SCORES))
BEFORE, AFTER = (4.0e-4, 4.1e-4, 4.2e-4), (1.0e-4, 1.01e-4, 1.02e-4)
NOISY, AS_NOISY = (1.0e-4, 1.2e-4, 1.1e-4), (1.1e-4, 1.0e-4, 1.15e-4)
START = Footprint(
    import_s=0.2,
    load_s=0.02,
    first_inference_s=0.003,
    resident_after_load_bytes=50_000_000,
    peak_resident_bytes=70_000_000,
)


def two_speeds() -> Row:
    """Return a row of 12,000 samples: three quarters near 100 µs, a quarter near 200 µs."""
    near = [1e-4 * (1 + 1e-4 * (place % 100)) for place in range(9000)]
    far = [2e-4 * (1 + 1e-4 * (place % 100)) for place in range(2999)]
    samples = (*near, *far, 5e-3)
    return row("pruned", 1.0, runtime="eager", samples_s=samples, launch_samples=(12_000,))


def benchmark() -> BenchResult:
    """Return a result that has something for every chart."""
    rows = (
        launched("dense", *BEFORE, footprints=(START,)),
        beside(BEFORE, AFTER, footprints=(START,)),
        launched("dense", *NOISY, batch=1000),
        beside(NOISY, AS_NOISY, batch=1000),
        two_speeds(),
        paced(slow=((0.0, 2e-3),)),
    )
    sweep = tuple(replace(row, runtime="torchscript") for row in swept(1e5, 2e5, 2.02e5, 2.03e5))
    return result((*rows, *sweep), bundles=SCORED)


def waterfall() -> NamedDocument:
    """Return a waterfall with a form that did not run."""
    document = waterfall_document(waterfall_of(DENSE_STEP, PRUNED_STEP, ONNX, ENGINE))
    return NamedDocument(name="waterfall", raw=json.loads(json.dumps(document)))


def explanation() -> NamedDocument:
    """Return an explanation that holds a roofline."""
    part = {"ceilings": encode(ceilings()), "rows": [encode(COMPUTED)], "timed": []}
    return NamedDocument(name="explain", raw=json.loads(json.dumps({"roofline": part})))


def every_source(bundle: Bundle, found: NamedResult | None = None) -> ReportSources:
    """Return sources of every chart; the bundle's manifest gets pruning rounds."""
    pruned = Bundle(root=Path("pruned"), manifest=replace(bundle.manifest, pruning=AUDIT))
    return ReportSources(
        results=(found or named(benchmark()),),
        bundles=(pruned,),
        waterfalls=(waterfall(),),
        explanations=(explanation(),),
    )


def chart(sources: ReportSources, chart_id: str) -> Chart:
    """Return one chart of a report."""
    return next(one for one in charts_of(sources) if one.id == chart_id)


def values(found: Chart, **wanted: object) -> list[dict[str, Any]]:
    """Return the data of a chart that have these entries."""
    assert found.spec is not None
    return [
        value
        for value in found.spec["data"]["values"]
        if all(value.get(key) == item for key, item in wanted.items())
    ]
