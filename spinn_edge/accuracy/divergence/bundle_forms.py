"""The forms of a bundle, in the order in which one is made from another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from spinn_edge.accuracy.divergence.layer_outputs import in_precision, run_module
from spinn_edge.accuracy.divergence.node_outputs import record_onnx_reference
from spinn_edge.accuracy.divergence.waterfall import Form, Predict
from spinn_edge.accuracy.validation.evaluation import evaluate
from spinn_edge.accuracy.validation.evaluators import make_evaluator
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import RuntimeUnavailableError
from spinn_edge.core.manifest import PRECISIONS
from spinn_edge.core.tensors import Array, Feeds
from spinn_edge.models.loading import module_of
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, only_file
from spinn_edge.runtimes.model import Model

DENSE, PRUNED, ALONE = "dense, float64", "pruned, float64", "float64"
"""Names of the forms in float64; the last where nothing was pruned."""

_MADE_FROM = {"trt": "onnx"}
"""Formats whose files are built from another format's file of the same precision."""


def bundle_forms(
    pruned: Bundle,
    dense: Bundle | None = None,
    runtimes: Sequence[str] = (),
    options: OpenOptions | None = None,
) -> tuple[Form, ...]:
    """Return what :func:`spinn_edge.accuracy.divergence.waterfall.waterfall` shall run.

    The dense model in float64 comes first, then the pruned one in float64 (the difference is
    pruning alone), its eager form in float32, each exported format, and each further precision
    behind the float32 file that it was made from. A precision that the bundle does not hold is a
    form that cannot run, so that the table says so.

    Args:
        pruned: the bundle to be deployed.
        dense: what it was pruned from; None for a model that was not pruned.
        runtimes: names from the registry; none takes the first of each format.
        options: how to open them; their precision is replaced.

    Raises:
        UsageError: an unknown runtime.
    """
    options = options or OpenOptions()
    exact = Form(name=PRUNED if dense else ALONE, after="", predict=float64_form(pruned, options))
    forms = [exact]
    if dense is not None:
        first = Form(name=DENSE, after="", predict=float64_form(dense, options))
        forms = [first, replace(exact, after=DENSE, step="pruning")]
    chosen = tuple(runtimes) or first_of_each_format()
    return (*forms, *_deployed(pruned, exact.name, chosen, options))


def first_of_each_format() -> tuple[str, ...]:
    """Return the runtime of each format that the registry names first."""
    by_format: dict[str, str] = {}
    for name, entry in registry.entries().items():
        by_format.setdefault(entry.format, name)
    return tuple(by_format.values())


def _deployed(
    bundle: Bundle, exact: str, runtimes: Sequence[str], options: OpenOptions
) -> list[Form]:
    """Return the forms that a runtime runs, float32 first, engines behind what they come from."""
    asked = {name: registry.find(name).format for name in runtimes}
    # in the registry's order: an engine behind the file that it is built from
    formats = {name: asked[name] for name in registry.entries() if name in asked}
    forms: list[Form] = []
    made: dict[tuple[str, str], str] = {}  # name of the first form of a format and precision
    for precision in PRECISIONS:
        for runtime, format_name in formats.items():
            held = [entry.precision for entry in bundle.manifest.files_of(format_name)]
            missing_everywhere = not any(e.precision == precision for e in bundle.manifest.files)
            if precision not in (held or PRECISIONS[:1]) and not (
                missing_everywhere and format_name == "onnx"
            ):
                continue
            name = f"{runtime} {precision}"
            after, step = _origin(format_name, precision, made, exact)
            run = RuntimeForm(bundle, runtime, replace(options, precision=precision))
            forms.append(
                Form(
                    name=name,
                    after=after,
                    predict=run,
                    own_reference=exact,
                    step=step,
                    notices=run.said,
                )
            )
            made.setdefault((format_name, precision), name)
    return forms


def _origin(
    format_name: str, precision: str, made: Mapping[tuple[str, str], str], exact: str
) -> tuple[str, str]:
    """Return the form that a file was made from, and what was done to it."""
    source = _MADE_FROM.get(format_name, format_name)
    if source != format_name and (source, precision) in made:
        return made[source, precision], "engine"
    if precision != PRECISIONS[0]:
        for key in ((format_name, PRECISIONS[0]), (source, PRECISIONS[0])):
            if key in made:
                return made[key], precision
    eager = made.get(("weights", PRECISIONS[0]))
    if format_name == "weights":
        return (eager, "runtime") if eager else (exact, "float32")
    return eager or exact, "export"


class RuntimeForm:
    """Opens a bundle on a runtime, runs all samples, and closes it again."""

    def __init__(self, bundle: Bundle, runtime: str, options: OpenOptions) -> None:
        self._bundle, self._runtime, self._options = bundle, runtime, options
        self._notices: tuple[str, ...] = ()

    def __call__(self, inputs: Feeds) -> Mapping[str, Array]:
        """Return the outputs for all samples.

        Raises:
            SpinnEdgeError: whatever opening and running raise.
        """
        backend = registry.open_backend(self._runtime, self._bundle, self._options)
        with Model(backend) as opened:
            evaluator = make_evaluator(opened, self._runtime)
            most = max(evaluator.smallest, min(evaluator.largest, self._bundle.manifest.max_batch))
            outputs = evaluate(replace(evaluator, largest=most), inputs).arrays
            self._notices = opened.facts.notices  # last: a runtime may learn more while it runs
        return outputs

    def said(self) -> tuple[str, ...]:
        """Return what the runtime remarks on its figures; nothing before a run."""
        return self._notices


def float64_form(bundle: Bundle, options: OpenOptions) -> Predict:
    """Return what computes a bundle in float64.

    From its weights; for one that was made from an exported file, its ONNX file in
    ``onnx.reference``.
    """

    def predict(inputs: Feeds) -> Mapping[str, Array]:
        manifest = bundle.manifest
        fixed = manifest.inputs[0].shape[0]
        rows = len(next(iter(inputs.values())))
        size = fixed or min(rows, manifest.max_batch)
        names = tuple(spec.name for spec in manifest.outputs)
        parts = []
        module = None
        if manifest.architecture.kind != "file":
            module = module_of(bundle, trust_factory=options.trust_factory)
            module = in_precision(module, double=True)
        elif not manifest.files_of("onnx"):
            raise RuntimeUnavailableError(
                f"{bundle.name} was made from an exported file and holds no ONNX file, so nothing "
                "here computes it in float64; export again from its state dict or factory"
            )
        for start in range(0, rows, size):
            index = np.arange(start, start + size) % rows
            some = {name: np.ascontiguousarray(a[index]) for name, a in inputs.items()}
            if module is not None:
                found: Mapping[str, Array] = run_module(module, some, names, double=True)
            else:
                path = bundle.path_of(only_file(bundle, "onnx"))
                found = record_onnx_reference(path, some, double=True).outputs
            parts.append({name: a[: min(size, rows - start)] for name, a in found.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return predict
