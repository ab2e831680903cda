"""A whole benchmark: rows, what was timed, and the machine."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spinn_edge.bench.machine.environment import Environment
from spinn_edge.bench.machine.machine_load import MachineLoad
from spinn_edge.bench.measurement import Row
from spinn_edge.core.bundle import Bundle, parameter_bytes
from spinn_edge.core.decode import encode
from spinn_edge.core.manifest import Scores

RESULTS_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFacts:
    """What a table says of a bundle beside its latencies.

    Attributes:
        name: as in the rows.
        baseline: the others are compared with it.
        widths: of an MLP; empty for other models.
        parameters: None where unknown.
        parameter_bytes: 4 bytes a parameter; None where unknown.
        flops_per_sample: None where unknown.
        file_bytes: size by format; engines of several GPUs by file name.
        scores: quality on held-out rows; None where it was not measured.
    """

    name: str
    baseline: bool
    widths: tuple[int, ...]
    parameters: int | None
    parameter_bytes: int | None
    flops_per_sample: int | None
    file_bytes: Mapping[str, int]
    scores: Scores | None

    @classmethod
    def of(cls, bundle: Bundle, name: str, *, baseline: bool) -> BundleFacts:
        """Read them off a bundle."""
        manifest = bundle.manifest
        return cls(
            name=name,
            baseline=baseline,
            widths=manifest.architecture.widths,
            parameters=manifest.parameters,
            parameter_bytes=parameter_bytes(manifest),
            flops_per_sample=manifest.flops_per_sample,
            file_bytes={e.path: e.bytes for e in manifest.files if e.format != "golden"},
            scores=manifest.training.scores if manifest.training else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """A whole run.

    Attributes:
        created_utc: ISO 8601 time of its start.
        environment: the machine.
        bundles: what was timed.
        rows: one for each bundle, runtime, precision, batch and boundary asked for, whatever
            became of it.
        every_runtime: no runtime was named, so that one which cannot work here is no fault.
        energy_asked: it was to be measured where a counter can be read.
        load: what else the machine did meanwhile; None where it was not watched.
    """

    created_utc: str
    environment: Environment
    bundles: tuple[BundleFacts, ...]
    rows: tuple[Row, ...]
    every_runtime: bool = False
    energy_asked: bool = False
    load: MachineLoad | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the published document."""
        return {
            "schema_version": RESULTS_SCHEMA_VERSION,
            "created_utc": self.created_utc,
            "environment": encode(self.environment),
            "bundles": encode(self.bundles),
            "every_runtime": self.every_runtime,
            "energy_asked": self.energy_asked,
            "load": encode(self.load),
            "rows": encode(self.rows),
        }

    def __repr__(self) -> str:
        """Return one line: the samples alone would fill a screen a thousand times."""
        names = ", ".join(facts.name for facts in self.bundles)
        return f"BenchResult({names}: {len(self.rows)} rows, measured {self.created_utc})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows, made by the reports above this layer (ADR 0012)."""
        html: str = importlib.import_module("spinn_edge.report.notebook").result_html(self)
        return html
