"""Which documents there are."""

from __future__ import annotations

from collections.abc import Mapping

from spinn_edge.accuracy.divergence.waterfall import Waterfall
from spinn_edge.accuracy.verification import Verification
from spinn_edge.bench.evidence.intervals import Interval
from spinn_edge.bench.evidence.output_difference import OutputDifference
from spinn_edge.bench.loops.saturation import Saturation
from spinn_edge.bench.machine.environment import Environment
from spinn_edge.bench.machine.machine_load import MachineLoad
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.regression.comparison import COMPARISON_SCHEMA_VERSION, FactChange, Limits
from spinn_edge.bench.result import RESULTS_SCHEMA_VERSION, BenchResult, BundleFacts
from spinn_edge.bench.understanding.explanation import EXPLANATION_SCHEMA_VERSION
from spinn_edge.bench.understanding.launch_bound import LaunchVerdict
from spinn_edge.core.adaptation_record import AdaptationRecord
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import SCHEMA_VERSION, Architecture, FileEntry, Manifest, Training
from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.report.schema.document import Document
from spinn_edge.report.sources import FLEET_SCHEMA_VERSION

_OBJECTS = [dict[str, object]]
"""A list of objects that the schema says nothing more about; docs/reference.md does."""

_LATENCY_CHANGE = {
    "name": str,
    "old_s": float,
    "new_s": float,
    "ratio": float,
    "ratio_interval": Interval | None,
    "noise_floor": float | None,
    "old_launches": int,
    "new_launches": int,
    "verdict": str,
    "failed": bool,
}
_SIDE = {"name": str, "runtime": str, "precision": str, "file": str}

DOCUMENTS = (
    Document(
        name="results",
        what="Written by spinn-edge bench --json and --save-baseline.",
        version=RESULTS_SCHEMA_VERSION,
        of=BenchResult,
        more={
            "launch_bound": tuple[LaunchVerdict, ...],
            "saturation": tuple[Saturation, ...],
            "remarks": tuple[str, ...],
            "notes": tuple[str, ...],
            "output_differences": Mapping[str, OutputDifference],
            "recommendations": tuple[str, ...],
        },
        stated=True,
    ),
    Document(
        name="fleet",
        what="Written by spinn-edge report A.json B.json --json: results of several machines.",
        version=FLEET_SCHEMA_VERSION,
        more={"kind": str, "results": [{"name": str, "machine": str, "result": BenchResult}]},
        stated=True,
        required=("kind", "results"),
    ),
    Document(
        name="manifest",
        what="The file manifest.json of a bundle.",
        version=SCHEMA_VERSION,
        of=Manifest,
        stated=True,
    ),
    Document(
        name="inspection",
        what="Written by spinn-edge inspect --json.",
        more={
            "name": str,
            "architecture": Architecture,
            "parameters": int | None,
            "nonzero_parameters": int | None,
            "widths": tuple[int, ...] | None,
            "flops_per_sample": int | None,
            "inputs": tuple[TensorSpec, ...],
            "outputs": tuple[TensorSpec, ...],
            "max_batch": int,
            "golden_source": str,
            "tolerances_by_hand": Mapping[str, float],
            "pruning": PruningAudit | None,
            "training": Training | None,
            "adaptation": AdaptationRecord | None,
            "files": tuple[FileEntry, ...],
        },
        required=("name", "architecture", "inputs", "outputs", "files"),
    ),
    Document(
        name="verification",
        what="Written by spinn-edge verify --json.",
        of=Verification,
        more={"passed": bool},
        required=("passed",),
    ),
    Document(
        name="waterfall",
        what="Written by spinn-edge waterfall --json.",
        of=Waterfall,
        more={"passed": bool, "remarks": tuple[str, ...]},
        required=("passed",),
    ),
    Document(
        name="validation",
        what="Written by spinn-edge validate --json.",
        more={
            "passed": bool,
            "reasons": tuple[str, ...],
            "baseline": _SIDE,
            "optimized": _SIDE,
            "samples": int,
            "source": str,
            "score": str,
            "outputs": _OBJECTS,
        },
        required=("passed", "reasons", "samples", "source", "score", "outputs"),
    ),
    Document(
        name="comparison",
        what="Written by spinn-edge compare --json.",
        version=COMPARISON_SCHEMA_VERSION,
        more={
            "passed": bool,
            "limits": Limits,
            "old_created_utc": str,
            "new_created_utc": str,
            "warnings": tuple[str, ...],
            "latencies": [_LATENCY_CHANGE],
            "facts": tuple[FactChange, ...],
        },
        stated=True,
        required=("passed", "limits", "warnings", "latencies", "facts"),
    ),
    Document(
        name="explanation",
        what="Written by spinn-edge explain --json.",
        version=EXPLANATION_SCHEMA_VERSION,
        more={
            "created_utc": str,
            "environment": Environment,
            "load": MachineLoad | None,
            "bundle": BundleFacts,
            "runtime": str,
            "launches": int,
            "roofline": {
                "ceilings": dict[str, object] | None,
                "rows": _OBJECTS,
                "timed": tuple[Row, ...],
            },
            "floor": _OBJECTS,
            "threads": _OBJECTS,
            "widths": _OBJECTS,
            "left_out": _OBJECTS,
            "remarks": tuple[str, ...],
        },
        stated=True,
        required=("environment", "bundle", "runtime", "roofline", "floor", "threads", "widths"),
    ),
)


def document_named(name: str) -> Document:
    """Return a document.

    Raises:
        UsageError: there is none of that name.
    """
    for document in DOCUMENTS:
        if document.name == name:
            return document
    known = ", ".join(document.name for document in DOCUMENTS)
    raise UsageError(f"document '{name}': expected one of {known}; spinn-edge schema lists them")
