"""What a model is and what its bundle holds, as tables: facts, files, scores."""

from __future__ import annotations

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.manifest import FileEntry, Manifest, Scores
from spinn_edge.report import formatting as f
from spinn_edge.report.adaptation import lineage_words
from spinn_edge.report.beyond_golden import hand_remarks
from spinn_edge.report.precision import layer_words, weight_words
from spinn_edge.report.sheet import Sheet


def manifest_sheet(manifest: Manifest, name: str) -> Sheet:
    """Return the facts of a model, a line each."""
    architecture = manifest.architecture
    lines = [("architecture", architecture.factory or architecture.kind)]
    if architecture.widths:
        widths = f"{f.dashed(architecture.widths)} ({architecture.activation})"
        lines.append(("widths", widths))
    lines += [
        ("parameters", f.whole(manifest.parameters)),
        ("non-zero parameters", f.whole(manifest.nonzero_parameters)),
        ("FLOPs per sample", f.whole(manifest.flops_per_sample)),
    ]
    if audit := manifest.pruning:
        asked = f"requested {audit.requested:.2%}, achieved {audit.achieved:.2%}"
        lines.append(("pruning", asked))
    if version := lineage_words(manifest):
        lines.append(("version", version))
    lines += [
        ("largest batch", f.whole(manifest.max_batch)),
        ("golden inputs", manifest.golden_source),
    ]
    lines += [("by hand", words) for words in hand_remarks(manifest.tolerances_by_hand)]
    return Sheet(title=name, head=("", "value"), lines=tuple(lines))


def files_sheet(bundle: Bundle) -> Sheet:
    """Return a line for each file of a bundle."""
    return Sheet(
        title="Files",
        head=(
            *("file", "format", ">size", "layers", "weight bytes", "proved against eager"),
            "sha256",
        ),
        lines=tuple(
            (
                entry.path,
                entry.format,
                f.size(entry.bytes),
                layer_words(entry),
                weight_words(entry),
                _proof(entry),
                entry.sha256[:12],
            )
            for entry in bundle.manifest.files
        ),
    )


def scores_sheet(scores: Scores, title: str) -> Sheet:
    """Return a line for each target, the linear regression beside the network."""
    return Sheet(
        title=f"{title}: {scores.source}",
        head=("target", ">R²", ">R², linear regression", ">RMSE"),
        lines=tuple(
            (
                name,
                f.score(value),
                f.score(scores.linear_r2.get(name)),
                f.magnitude(scores.rmse.get(name)),
            )
            for name, value in scores.r2.items()
        ),
    )


def _proof(entry: FileEntry) -> str:
    """Return which batch sizes were compared with PyTorch, or why none was."""
    if entry.proof:
        return "batch " + ", ".join(str(point.batch) for point in entry.proof)
    return f"not run: {entry.unproved}" if entry.unproved else ""
