"""JSON documents under their published keys."""

from __future__ import annotations

import json
from typing import Any

from spinn_edge.accuracy.verification import Verification
from spinn_edge.bench.loops.saturation import saturations
from spinn_edge.bench.result import BenchResult
from spinn_edge.bench.understanding.launch_bound import launch_verdicts
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import encode
from spinn_edge.report.result_remarks import result_remarks
from spinn_edge.report.runtime_status import RuntimeStatus


def to_text(document: Any) -> str:
    """Return a document as text; NaN and Inf are refused, since JSON has none."""
    return json.dumps(encode(document), indent=1, allow_nan=False) + "\n"


def bench_document(result: BenchResult) -> dict[str, Any]:
    """Return the document of ``spinn-edge bench --json``: the results, and what they mean."""
    return {
        **result.to_json(),
        "launch_bound": encode(launch_verdicts(result.rows)),
        "saturation": encode(saturations(result.rows)),
        "remarks": result_remarks(result),
    }


def verification_document(verification: Verification) -> dict[str, Any]:
    """Return the document of ``spinn-edge verify --json``."""
    return {"passed": verification.passed, **encode(verification)}


def inspection_document(bundle: Bundle, name: str) -> dict[str, Any]:
    """Return the document of ``spinn-edge inspect --json``."""
    manifest = bundle.manifest
    return {
        "name": name,
        "architecture": encode(manifest.architecture),
        "parameters": manifest.parameters,
        "nonzero_parameters": manifest.nonzero_parameters,
        "widths": list(manifest.architecture.widths) or None,
        "flops_per_sample": manifest.flops_per_sample,
        "inputs": encode(manifest.inputs),
        "outputs": encode(manifest.outputs),
        "max_batch": manifest.max_batch,
        "golden_source": manifest.golden_source,
        "tolerances_by_hand": encode(manifest.tolerances_by_hand),
        "pruning": encode(manifest.pruning),
        "training": encode(manifest.training),
        "adaptation": encode(manifest.adaptation),
        "files": encode(manifest.files),
    }


def runtimes_document(statuses: tuple[RuntimeStatus, ...]) -> list[dict[str, Any]]:
    """Return the document of ``spinn-edge runtimes --json``."""
    return [encode(status) for status in statuses]
