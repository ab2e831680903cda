"""``manifest.json``: everything a bundle says about itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spinn_edge.core.adaptation_record import AdaptationRecord
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.derivatives import Derivative
from spinn_edge.core.errors import BundleError
from spinn_edge.core.proofs import BatchProof, SearchProof
from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.core.tensors import TensorSpec

_NUMBERS = re.compile(r"\[\n[-+.eE\d,\s]+\]")
"""Lists of numbers; indices of channels would fill pages with one on each line."""

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
PRECISIONS = ("fp32", "fp16", "int8")
"""Number formats that a file may compute in; inputs and outputs stay float32. The first is what
every bundle has. In int8, products have 8-bit factors, or the weights alone are kept in 8 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """How the eager module is made again.

    Attributes:
        kind: ``mlp`` (from widths and activation), ``factory`` (a function of the user's own
            package), or ``file`` (no eager form: only exported files are here).
        widths: input width, hidden widths, output width; empty unless ``mlp``.
        activation: name of the function between layers; empty unless ``mlp``.
        factory: ``package.module:function``; empty unless ``factory``.
        derivatives: what the model gives beside the outputs of that network, in this order.
    """

    kind: str
    widths: tuple[int, ...] = ()
    activation: str = ""
    factory: str = ""
    derivatives: tuple[Derivative, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofPoint:
    """One comparison of an exported form with eager PyTorch at one batch size.

    Attributes:
        batch: samples in the call.
        output: name of the output with the least margin.
        max_abs: largest absolute difference in the channel with the least margin, output units.
        tolerance: what was allowed in that channel, output units.
    """

    batch: int
    output: str
    max_abs: float
    tolerance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of the bundle.

    Attributes:
        path: POSIX path relative to the bundle's folder.
        format: ``weights``, ``golden``, ``masks``, ``torchscript``, ``pt2``, ``onnx`` or
            ``trt``.
        bytes: size on disk.
        sha256: hex digest.
        precision: one of ``PRECISIONS``: what its products are computed in.
        toolchain: versions of the packages that wrote it.
        details: facts of that format alone (opset, profile, compute capability).
        proof: comparisons with eager that passed when the file was written; empty for weights
            and golden vectors, and where ``unproved`` says why.
        unproved: why the file could not be run where it was written; None when it was.
        batch_proof: proof that its batch is dynamic; None where it was not run.
        search: the worst input that was found when it was written; None where none was looked for.
    """

    path: str
    format: str
    bytes: int
    sha256: str
    precision: str = PRECISIONS[0]
    toolchain: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    proof: tuple[ProofPoint, ...] = ()
    unproved: str | None = None
    batch_proof: BatchProof | None = None
    search: SearchProof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecipe:
    """Which columns and rows of a table the model learnt from.

    Attributes:
        features: input columns, in the model's order.
        targets: output columns, in the model's order.
        group: column whose values stay on one side of the split; empty for a split by row.
        validation: path of a separate validation CSV as it was typed; empty when rows of the
            training file were held out.
        validation_sha256: digest of that file.
        held_out_fraction: share of groups or rows held out of the training file.
        split_seed: seed of that choice.
        drop_na: rows with missing values were dropped.
    """

    features: tuple[str, ...]
    targets: tuple[str, ...]
    group: str = ""
    validation: str = ""
    validation_sha256: str = ""
    held_out_fraction: float = 0.2
    split_seed: int = 0
    drop_na: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Quality on held-out rows, per target and overall.

    Attributes:
        source: which rows these are, in words.
        rows: number of rows scored.
        r2: coefficient of determination by target; None for a target that is constant over the
            rows, where there is no variance to explain.
        r2_overall: unweighted mean over targets; None if one of them is.
        rmse: root mean squared error by target, target units.
        linear_r2: the same rows predicted by ordinary least squares on the training rows.
    """

    source: str
    rows: int
    r2: Mapping[str, float | None]
    r2_overall: float | None
    rmse: Mapping[str, float]
    linear_r2: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Standardisation that is folded into the first and last layers, one entry a column.

    Attributes:
        feature_mean: subtracted from each feature, feature units.
        feature_std: divides each feature; 1 for a constant column.
        target_mean: added to each output, target units.
        target_std: multiplies each output; 1 for a constant column.
    """

    feature_mean: tuple[float, ...]
    feature_std: tuple[float, ...]
    target_mean: tuple[float, ...]
    target_std: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How the weights came to be, as far as this tool knows.

    Attributes:
        recipe: columns and rows.
        scaling: folded into the weights; kept so that fine-tuning can take it out again.
        seed: seed of initial weights and batch order.
        epochs: epochs run.
        best_epoch: epoch whose weights were kept, counted from 1.
        duration_s: wall time.
        interrupted: stopped by the user before its end.
        scores: quality of the kept weights.
    """

    recipe: DataRecipe
    scaling: Scaling
    seed: int
    epochs: int
    best_epoch: int
    duration_s: float
    interrupted: bool
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTolerance:
    """Parity limits of one output, one entry a channel (axis 1), output units.

    Attributes:
        scale: largest magnitude of the float64 reference over the golden inputs.
        eager_error: largest difference of eager float32 from that reference.
        tolerance: limit against the float64 reference.
        share: of the scale: what a float32 form may differ from eager float32 by.
    """

    scale: tuple[float, ...]
    eager_error: tuple[float, ...]
    tolerance: tuple[float, ...]
    share: float = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The whole document.

    Attributes:
        schema_version: ``SCHEMA_VERSION`` of the writer.
        created_utc: ISO 8601 time of writing.
        created_by: version of this package.
        architecture: how eager is made again.
        inputs: model inputs.
        outputs: model outputs.
        max_batch: largest batch that every format was proved at.
        parameters: parameters of the model; None where only a foreign file is known.
        nonzero_parameters: those that are not exactly 0.
        flops_per_sample: multiplications and additions of matrix products and convolutions for
            one sample (one multiply-add counts 2); None where it could not be counted.
        golden_source: where the golden inputs came from, in words.
        parity: limits by output name.
        files: every file but the manifest.
        pruning: the audit; None for a model that this tool did not prune.
        training: None for a model that this tool did not train.
        tolerances_by_hand: shares of the scale that were chosen by hand when the bundle was
            written, by output, channel or ``*``, with ``@`` and a precision where it is for that
            one alone; empty where the defaults hold.
        adaptation: how it followed a stream of rows; None for a model that never did.
    """

    schema_version: int
    created_utc: str
    created_by: str
    architecture: Architecture
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch: int
    parameters: int | None
    nonzero_parameters: int | None
    flops_per_sample: int | None
    golden_source: str
    parity: Mapping[str, OutputTolerance]
    files: tuple[FileEntry, ...]
    pruning: PruningAudit | None = None
    training: Training | None = None
    tolerances_by_hand: Mapping[str, float] = field(default_factory=dict)
    adaptation: AdaptationRecord | None = None

    def files_of(self, format_name: str, precision: str | None = None) -> tuple[FileEntry, ...]:
        """Return the entries of one format, in manifest order; of any precision when None."""
        return tuple(
            entry
            for entry in self.files
            if entry.format == format_name and precision in (None, entry.precision)
        )

    def to_text(self) -> str:
        """Return the JSON document."""
        text = json.dumps(encode(self), indent=2, allow_nan=False)
        return _NUMBERS.sub(lambda found: " ".join(found[0].split()), text) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Manifest:
        """Read the JSON document.

        Raises:
            BundleError: it is no JSON, has another schema version, or a key is wrong.
        """
        try:
            data = json.loads(text)
        except ValueError as exc:
            raise BundleError(
                f"{MANIFEST_NAME} is not valid JSON ({exc}); export the model again"
            ) from exc
        version = data.get("schema_version") if isinstance(data, dict) else None
        if version != SCHEMA_VERSION:
            raise BundleError(
                f"{MANIFEST_NAME} has schema version {version!r}, this spinn-edge reads "
                f"{SCHEMA_VERSION}; install the version that wrote it, or export the model again"
            )
        try:
            return decode(cls, data, where=MANIFEST_NAME)
        except BundleError as exc:
            raise BundleError(f"{exc}; it is damaged: export the model again") from exc
