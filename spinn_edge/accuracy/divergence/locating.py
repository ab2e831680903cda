"""Where an ONNX file and the model it was made from part: layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spinn_edge.accuracy import parity
from spinn_edge.accuracy.divergence.layer_outputs import Recording, record_layers
from spinn_edge.accuracy.divergence.layer_pairs import (
    LayerPair,
    Matching,
    Unmatched,
    match_layers,
    match_tensors,
)
from spinn_edge.accuracy.divergence.node_outputs import (
    NodeOutput,
    record_nodes,
    record_onnx_reference,
)
from spinn_edge.accuracy.divergence.tensor_statistics import TensorStatistics, tensor_statistics
from spinn_edge.accuracy.golden_check import golden_limits
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import PRECISIONS, Manifest
from spinn_edge.core.tensors import Array
from spinn_edge.models.loading import module_of
from spinn_edge.runtimes.base import OpenOptions, RuntimeFacts, only_file

MOST_BYTES = 256 * 2**20
"""Memory for one form's tensors in float64; the golden samples that do not fit are left out."""

EAGER = "eager in float64, through forward hooks"
ONNX_REFERENCE = "the bundle's fp32 ONNX file in float64, in onnx.reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerComparison:
    """One layer's output in both forms.

    Attributes:
        layer: module path; name of the tensor where the reference is an ONNX graph; empty for an
            output of the model that no layer puts out.
        kind: class of the module, or the operator.
        node: node of the ONNX file.
        operator: its operator.
        tensor: its output.
        shape: of both, batch first.
        reference: figures of the tensor in the reference.
        deployed: figures of the tensor in the ONNX file.
        max_abs: largest absolute difference in the channel with the least margin; None where one
            of the two holds NaN or Inf.
        where: index of that value, the sample first; of the first sample with NaN or Inf.
        scale: largest magnitude that the tolerance is a share of.
        tolerance: largest difference that is allowed there.
        passed: within tolerance, in every channel.
        reason: why not; None when it passed.
    """

    layer: str
    kind: str
    node: str
    operator: str
    tensor: str
    shape: tuple[int, ...]
    reference: TensorStatistics
    deployed: TensorStatistics
    max_abs: float | None
    where: tuple[int, ...]
    scale: float
    tolerance: float
    passed: bool
    reason: str | None

    @property
    def used_share(self) -> float:
        """How much of the tolerance was used: 1 is its limit; infinite for NaN and Inf."""
        if self.max_abs is None:
            return float("inf")
        return self.max_abs / self.tolerance if self.tolerance else 0.0

    @property
    def name(self) -> str:
        """The layer in a user's words: ``layer '2' (Linear), node node_linear_1``."""
        what = f"layer '{self.layer}' ({self.kind})" if self.layer else f"output '{self.tensor}'"
        return f"{what}, node {self.node}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """Every layer of one ONNX file against the reference.

    Attributes:
        bundle: its name.
        file: path in the bundle of the file that was run.
        precision: of that file.
        reference: what it was held against, in words.
        matched_by: what told which tensor is which layer's, in words.
        rows: golden samples that were run.
        golden_rows: golden samples that the bundle has.
        layers: in the order of the file's nodes.
        unmatched: what could not be compared.
    """

    bundle: str
    file: str
    precision: str
    reference: str
    matched_by: str
    rows: int
    golden_rows: int
    layers: tuple[LayerComparison, ...]
    unmatched: tuple[Unmatched, ...]

    @property
    def first(self) -> LayerComparison | None:
        """The first layer beyond tolerance; None where there is none."""
        return next((layer for layer in self.layers if not layer.passed), None)

    @property
    def worst(self) -> LayerComparison:
        """The layer that uses most of its tolerance."""
        return max(self.layers, key=lambda layer: layer.used_share)

    @property
    def passed(self) -> bool:
        """No layer is beyond tolerance."""
        return self.first is None


def locate_divergence(
    bundle: Bundle, precision: str = PRECISIONS[0], options: OpenOptions | None = None
) -> Divergence:
    """Run an ONNX file and its reference on golden inputs and compare every layer.

    The reference is the eager module in float64. A bundle that was made from an exported file has
    none; its own float32 ONNX file in ``onnx.reference``, in float64, takes its place, which shows
    what a runtime or a precision changes and not what that file was made from.

    A hidden layer may differ by the precision's share of its own scale, the largest magnitude that
    it puts out, plus the error that float32 itself makes there. That the share which holds for a
    model's outputs also holds for the layers within is an assumption. An output of the model has
    the limits of its channels, as everywhere; those chosen by hand included.

    Args:
        bundle: a loaded bundle.
        precision: which of its ONNX files.
        options: threads, and whether its factory is trusted.

    Raises:
        RuntimeUnavailableError: the bundle holds no such ONNX file.
        UsageError: its factory is not trusted.
        MissingDependencyError: torch, onnx or onnxruntime is not installed.
        BundleError: a file is damaged.
        InferenceError: one of the two forms fails.
    """
    options = options or OpenOptions()
    file = only_file(bundle, "onnx", precision)
    path = bundle.path_of(file)
    golden = bundle.golden()
    rows = _rows(bundle, golden, record_nodes(path, _some(bundle.manifest, golden, 1).inputs))
    some = _some(bundle.manifest, golden, rows)
    source = path
    if precision != PRECISIONS[0] and bundle.manifest.files_of("onnx", PRECISIONS[0]):
        source = bundle.path_of(only_file(bundle, "onnx"))
    nodes = record_nodes(
        path,
        some.inputs,
        converted_from=None if source == path else source,
        threads=options.threads,
    )
    if bundle.manifest.architecture.kind == "file":
        exact, single = (
            record_onnx_reference(source, some.inputs, double=double) for double in (True, False)
        )
        matching = match_tensors(exact.layers, nodes)
    else:
        module = module_of(bundle, trust_factory=options.trust_factory)
        names = tuple(spec.name for spec in bundle.manifest.outputs)
        exact, single = (
            record_layers(module, some.inputs, names, double=double) for double in (True, False)
        )
        matching = match_layers(exact.layers, nodes)
    layers = compare_layers(matching, nodes, exact, single, bundle.manifest, precision)
    compared = {layer.node for layer in layers}
    return Divergence(
        bundle=bundle.name,
        file=file.path,
        precision=precision,
        reference=ONNX_REFERENCE if bundle.manifest.architecture.kind == "file" else EAGER,
        matched_by=matching.matched_by,
        rows=rows,
        golden_rows=golden.rows,
        layers=layers,
        unmatched=tuple(item for item in matching.unmatched if item.name not in compared),
    )


def compare_layers(
    matching: Matching,
    nodes: Sequence[NodeOutput],
    exact: Recording,
    single: Recording,
    manifest: Manifest,
    precision: str,
) -> tuple[LayerComparison, ...]:
    """Compare every matched layer, and every output of the model that no layer puts out.

    Args:
        matching: which tensor is which layer's.
        nodes: of the ONNX file, in its order.
        exact: the reference in float64.
        single: the reference in float32, the same calls.
        manifest: limits of the model's outputs.
        precision: of the ONNX file.
    """
    limits = golden_limits(manifest, precision, RuntimeFacts())
    errors = {
        id(layer): float(np.abs(other.values - layer.values).max(initial=0.0))
        for layer, other in zip(exact.layers, single.layers, strict=True)
        if layer.values is not None and other.values is not None
    }
    pairs = {pair.node.tensor: pair for pair in matching.pairs}
    compared = []
    for node in nodes:
        pair = pairs.get(node.tensor)
        if node.tensor in exact.outputs:
            expected = exact.outputs[node.tensor]
            compared.append(_compare(pair, node, expected, np.asarray(limits[node.tensor])))
        elif pair is not None and pair.layer.values is not None:
            expected = pair.layer.values
            scale = float(np.abs(expected).max(initial=0.0)) or 1.0
            limit = parity.LIMITS[precision] * scale + errors.get(id(pair.layer), 0.0)
            channels = len(parity.channel_max(expected))
            compared.append(_compare(pair, node, expected, np.full(channels, limit)))
    return tuple(compared)


def _compare(
    pair: LayerPair | None, node: NodeOutput, expected: Array, limit: Array
) -> LayerComparison:
    name = f"'{node.tensor}'"
    verdict = parity.compare({name: node.values}, {name: expected}, {name: limit})
    scale = parity.channel_max(expected)
    if verdict.max_abs is None:
        bad = np.argwhere(~(np.isfinite(node.values) & np.isfinite(expected)))
        where = tuple(int(index) for index in bad[0]) if len(bad) else ()
        reason = (
            f"{np.count_nonzero(~np.isfinite(node.values))} of {node.values.size} values are NaN "
            f"or Inf, {np.count_nonzero(~np.isfinite(expected))} in the reference"
        )
    else:
        difference = np.abs(node.values - expected)
        shape = (1, -1, *(1,) * (difference.ndim - 2)) if difference.ndim > 1 else (-1,)
        used = difference / np.maximum(limit.reshape(shape), np.finfo(np.float64).tiny)
        where = tuple(map(int, np.unravel_index(int(np.argmax(used)), used.shape)))
        reason = f"differs by {verdict.max_abs:.3g}, allowed {verdict.tolerance:.3g}"
    channel = where[1] if len(where) > 1 else 0
    return LayerComparison(
        layer=pair.layer.layer if pair else "",
        kind=pair.layer.kind if pair else "",
        node=node.node,
        operator=node.operator,
        tensor=node.tensor,
        shape=node.values.shape,
        reference=tensor_statistics(expected),
        deployed=tensor_statistics(node.values),
        max_abs=verdict.max_abs,
        where=where,
        scale=float(scale[channel]) if np.isfinite(scale[channel]) else 0.0,
        tolerance=float(limit[channel]),
        passed=verdict.passed,
        reason=None if verdict.passed else reason,
    )


def _rows(bundle: Bundle, golden: Golden, one_sample: Sequence[NodeOutput]) -> int:
    """Return how many golden samples fit into memory with every tensor of the model."""
    fixed = bundle.manifest.inputs[0].shape[0]
    if fixed is not None:
        return fixed
    sample_bytes = sum(node.values.nbytes for node in one_sample)
    return max(1, min(golden.rows, MOST_BYTES // max(sample_bytes, 1)))


def _some(manifest: Manifest, golden: Golden, rows: int) -> Golden:
    return golden.at_batch(manifest.inputs[0].shape[0] or rows)
