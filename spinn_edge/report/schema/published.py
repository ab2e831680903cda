"""Where a document holds something else than the fields of a dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spinn_edge.bench.loops.pacing import Pacing
from spinn_edge.bench.measurement import Row
from spinn_edge.core.tensors import TensorSpec

DERIVED: Mapping[type, tuple[str, ...]] = {
    Row: (
        *("served_by", "launch_medians_s", "median_s", "median_interval_s", "mean_s", "std_s"),
        *("p90_s", "p95_s", "p99_s", "p999_s", "modes", "upload_median_s", "download_median_s"),
        *("joules_per_inference", "idle_gap_penalty", "idle_gap_interval", "idle_gap_verdict"),
        *("throughput_per_s", "speedup", "speedup_interval", "noise_floor", "verdict"),
    ),
    Pacing: (
        *("period_s", "due", "unserved", "missed", "missed_share", "kept_up", "busy_share"),
        *("response_median_s", "response_p99_s", "jitter_s", "lateness_std_s"),
    ),
}
"""Properties that are written beside the fields."""

BY_HAND: Mapping[type, Mapping[str, Any]] = {
    TensorSpec: {
        "type": "object",
        "description": "A tensor that goes into or comes out of a model.",
        "properties": {
            "name": {"type": "string", "description": "As the model calls it."},
            "shape": {
                "type": "array",
                "items": {"type": ["integer", "null"]},
                "description": "Sizes; null is the batch.",
            },
            "dtype": {"type": "string", "description": "As numpy calls it, such as float32."},
        },
        "required": ["name", "shape", "dtype"],
    }
}
"""Written in another form than their fields have."""
