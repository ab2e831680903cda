"""An ONNX file in int8 that takes and gives float32, made from the float32 one.

Which products stay float32 is found by measuring (``sensitivity.py``): a file that is good by its
average can be useless in one channel, and one layer is often to blame.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.accuracy.parity import LIMITS, channel_max, channel_scale
from spinn_edge.accuracy.precision.onnx_types import count_onnx
from spinn_edge.accuracy.precision.truth import check_precision
from spinn_edge.core.bundle import describe_file
from spinn_edge.core.errors import ExportError, SpinnEdgeError, first_line
from spinn_edge.core.manifest import PRECISIONS, FileEntry
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array
from spinn_edge.export.golden import NOISE
from spinn_edge.export.int8_forms import prepare, products_of, quantise
from spinn_edge.export.quantization import STATIC
from spinn_edge.export.registry import ExportJob
from spinn_edge.export.sensitivity import Choice, Verdict, choose_products
from spinn_edge.export.task_loss import outputs_on
from spinn_edge.runtimes.base import Runtime
from spinn_edge.runtimes.ort.cpu import OnnxRuntime
from spinn_edge.runtimes.ort.session import CPU, open_session

FILE_NAME = "model.int8.onnx"
MARGIN = 0.8
"""Of the limit of parity, that the error on the golden inputs may use: other inputs have others."""
_ROWS = 256
"""Samples in a call of calibration: the ranges are the same, the memory is bounded."""


def convert_to_int8(job: ExportJob) -> FileEntry:
    """Write ``model.int8.onnx`` from the job's float32 graph.

    Raises:
        ExportError: there is nothing to quantise, the quantizer refuses the graph, or no form of it
            is good (names nodes, figures and what to try).
        MissingDependencyError: onnx or onnxruntime is not installed.
    """
    onnx = require("onnx", extra="export")
    ort = require("onnxruntime", extra="ort")
    source = job.files["onnx", PRECISIONS[0]]
    form = job.quantization.form
    try:
        model = prepare(onnx.load(source))
    except Exception as exc:  # protobuf's errors share no base
        raise ExportError(f"{source.name} cannot be read as ONNX: {first_line(exc)}") from exc
    sizes = products_of(model, form)
    if not sizes:
        raise ExportError(
            f"{source.name} has no matrix product or convolution with constant float32 weights "
            f"that --int8 {form} could quantise; leave int8 out of --precision"
        )
    batches = _calibration(job)
    path = job.folder / FILE_NAME
    with tempfile.TemporaryDirectory(prefix="spinn-edge-int8-") as folder:
        tried = Path(folder) / FILE_NAME

        def judge(names: tuple[str, ...]) -> Verdict:
            onnx.save(quantise(model, form, names, batches), tried)
            return _measure(tried, job, ort)

        choice = choose_products(sizes, judge)
    made = quantise(model, form, choice.quantised, batches)
    onnx.save(made, path)
    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as exc:  # the checker raises types of its own
        raise ExportError(f"{FILE_NAME} is no valid ONNX file: {first_line(exc)}") from exc
    counts = count_onnx(path)
    check_precision(path, "int8", counts)
    return describe_file(
        job.folder,
        FILE_NAME,
        "onnx",
        precision="int8",
        toolchain={"onnx": onnx.__version__, "onnxruntime": ort.__version__},
        details={
            "opset": max(o.version for o in made.opset_import if o.domain in ("", "ai.onnx")),
            "ir_version": made.ir_version,
            **counts.details(),
            "quantization": _account(job, choice),
            "conversion_warnings": _warnings(job, choice),
        },
    )


def _calibration(job: ExportJob) -> list[Mapping[str, Array]]:
    batch = job.inputs[0].shape[0] or min(job.golden.rows, _ROWS)
    return [
        job.golden.at_batch(batch, start=start).inputs for start in range(0, job.golden.rows, batch)
    ]


def _measure(path: Path, job: ExportJob, ort: Any) -> Verdict:
    """Run a graph on the golden inputs, and on scored rows where there are some."""
    try:
        runtime = OnnxRuntime(open_session(ort, path, CPU, threads=1), job.outputs)
        batch = job.inputs[0].shape[0] or min(job.golden.rows, job.max_batch)
        error = _error_over_scale(runtime, job, batch)
        allowed = MARGIN * LIMITS["int8"]
        if not error <= allowed:
            return Verdict(
                error=error, fault=f"its error is {error:.3g} of scale, allowed {allowed:g}"
            )
        if job.score is None:
            return Verdict(error=error)
        losses = job.score.losses(outputs_on(runtime, job.score.inputs, batch))
        return Verdict(error=error, fault=job.score.fault(losses))
    except SpinnEdgeError as exc:
        return Verdict(error=float("inf"), fault=first_line(exc))


def _error_over_scale(runtime: Runtime, job: ExportJob, batch: int) -> float:
    """Return the largest error of any channel against float64, over its scale on these inputs."""
    outputs = outputs_on(runtime, job.golden.inputs, batch)
    errors = [
        channel_max(outputs[name] - exact) / channel_scale(exact)
        for name, exact in job.golden.outputs.items()
    ]
    worst = float(np.max(np.concatenate(errors)))
    return worst if np.isfinite(worst) else float("inf")


def _account(job: ExportJob, choice: Choice) -> dict[str, Any]:
    """Return what the manifest says of how the file was made."""
    return {
        "form": job.quantization.form,
        "calibrated_on": job.golden_source if job.quantization.form == STATIC else None,
        "quantised": list(choice.quantised),
        "left_in_fp32": list(choice.left_out),
        "error_over_scale": choice.error,
        "error_over_scale_alone": {
            name: error if np.isfinite(error) else None for name, error in choice.alone.items()
        },
    }


def _warnings(job: ExportJob, choice: Choice) -> list[str]:
    warnings = []
    if choice.left_out:
        warnings.append(_left_out_words(choice.left_out, choice.alone))
    if job.quantization.form == STATIC and job.golden_source.startswith(NOISE):
        warnings.append(
            "the ranges of activations were taken from noise; give real rows with --data CSV"
        )
    return warnings


def _left_out_words(names: Sequence[str], alone: Mapping[str, float]) -> str:
    told = ", ".join(f"{name} (alone {alone[name]:.2g} of scale)" for name in names)
    return f"left in fp32, since int8 there costs too much: {told}"
