"""Bundles of networks that followed a stream: judged, written anew, their parent remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from spinn_edge.accuracy.metrics.regression import rmse, score_predictions
from spinn_edge.core.adaptation_record import AdaptationRecord, AdaptationSettings, TargetError
from spinn_edge.core.bundle import Bundle, check_output_free
from spinn_edge.core.errors import BundleError, RegressionError
from spinn_edge.core.lineage import as_ancestor
from spinn_edge.core.manifest import DataRecipe, Training
from spinn_edge.core.steps import OnStep, unheard
from spinn_edge.export.bundling import write_bundle
from spinn_edge.export.same_formats import check_exporters, request_like
from spinn_edge.export.task_loss import ScoredRows
from spinn_edge.models.loading import LoadedModel
from spinn_edge.training.adaptation.adapter import OnlineAdapter, Step
from spinn_edge.training.adaptation.stream import Batch, Pairs, pair_batches
from spinn_edge.training.dataset import Rows, load_rows
from spinn_edge.training.reference import predict

MOST_REJECTED = 0.5
"""Share of a stream's rows that guards may refuse in a run that ends in a new version."""

BEFORE = "before adaptation: "
"""How the source of scores begins that are of older weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptedBundle:
    """A new version of a bundle.

    Attributes:
        bundle: the new one.
        record: how it came to be, as its manifest holds it.
    """

    bundle: Bundle
    record: AdaptationRecord


def adapt_bundle(
    bundle: Bundle | str | Path,
    stream: Pairs,
    out: str | Path,
    settings: AdaptationSettings | None = None,
    *,
    features: Sequence[str] = (),
    targets: Sequence[str] = (),
    test: Path | None = None,
    source: str = "rows given in Python",
    trust_factory: bool = False,
    force: bool = False,
    on_batch: Callable[[Step], None] = lambda step: None,
    on_step: OnStep = unheard,
) -> AdaptedBundle:
    """Let the last layers of a deployed network follow a stream, and write a new bundle.

    Args:
        bundle: or its folder; never changed.
        stream: pairs of features and targets in raw units, one row or a block of rows each, in
            the order in which they came. Ctrl-C ends it, and what was learnt is judged as usual.
        out: folder to write.
        settings: how far the network may go.
        features: names of the input columns; none for a bundle that knows its own.
        targets: names of the output columns, likewise.
        test: CSV whose rows are scored and used for nothing else.
        source: where the rows come from, in words.
        trust_factory: call the factory that the manifest names.
        force: replace a bundle at ``out``.
        on_batch: called after each batch.
        on_step: as :func:`spinn_edge.export.bundling.write_bundle`.

    Raises:
        RegressionError: nothing was learnt, or the adapting weights did not surely predict better
            than the old ones; nothing is written.
        UsageError: the bundle cannot be adapted, or a setting makes no sense.
        BundleError: the bundle is damaged, or ``out`` exists or cannot be written.
        ExportError: a format could not be written or proved.
    """
    parent = bundle if isinstance(bundle, Bundle) else Bundle.load(Path(bundle))
    check_adapted_output(parent, Path(out), force=force)
    adapter = OnlineAdapter.of_bundle(
        parent, settings, features=features, targets=targets, trust_factory=trust_factory
    )
    held = read_test(adapter, test)
    check_exporters(parent)
    subject = adapter.subject
    batches = pair_batches(
        stream,
        features=len(subject.features),
        targets=len(subject.targets),
        size=adapter.settings.batch,
    )
    interrupted = follow(adapter, batches, on_batch)
    record = adapted_record(adapter, parent, source=source, interrupted=interrupted, test=held)
    return write_adapted(
        adapter, parent, Path(out), record, test=held, force=force, on_step=on_step
    )


def follow(
    adapter: OnlineAdapter,
    batches: Iterable[Batch],
    on_batch: Callable[[Step], None] = lambda step: None,
) -> bool:
    """Give every batch to an adapter; return whether the user stopped it by Ctrl-C."""
    try:
        for batch in batches:
            on_batch(
                adapter.update(
                    batch.features, batch.targets, numbers=batch.numbers, fault=batch.fault
                )
            )
    except KeyboardInterrupt:
        return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRows:
    """Rows that are scored and used for nothing else.

    Attributes:
        rows: in raw units.
        source: which they are, in words.
    """

    __test__ = False  # no class of tests, whatever pytest thinks of its name

    rows: Rows
    source: str


def read_test(adapter: OnlineAdapter, path: Path | None) -> TestRows | None:
    """Read the columns of an adapter from a CSV file, rows with missing values left out.

    Raises:
        UsageError: a column is missing or holds text, or no row is complete.
    """
    if path is None:
        return None
    subject = adapter.subject
    recipe = DataRecipe(features=subject.features, targets=subject.targets, drop_na=True)
    rows = load_rows(path, recipe)
    return TestRows(rows=rows, source=f"{len(rows)} rows of {path.name}, used for nothing else")


def adapted_record(
    adapter: OnlineAdapter,
    parent: Bundle,
    *,
    source: str,
    rows_left_out: int = 0,
    interrupted: bool = False,
    test: TestRows | None = None,
) -> AdaptationRecord:
    """Return what the new manifest will say."""
    older = parent.manifest.adaptation
    record = adapter.record(
        parents=(*(older.parents if older else ()), as_ancestor(parent)),
        drift_of_parents=older.drift_from_first if older else None,
        source=source,
        rows_left_out=rows_left_out,
        interrupted=interrupted,
    )
    if test is None:
        return record
    before, after = (
        rmse(test.rows.targets, predict(module, test.rows.features))
        for module in (adapter.subject.module, adapter.module)
    )
    errors = zip(adapter.subject.targets, before.tolist(), after.tolist(), strict=True)
    return replace(
        record,
        tested_on=test.source,
        test=tuple(TargetError(target=t, before=was, after=now) for t, was, now in errors),
    )


def write_adapted(
    adapter: OnlineAdapter,
    parent: Bundle,
    out: Path,
    record: AdaptationRecord,
    *,
    test: TestRows | None = None,
    force: bool = False,
    on_step: OnStep = unheard,
) -> AdaptedBundle:
    """Write the new version in the formats of its parent, golden outputs made and proved anew.

    Raises:
        RegressionError: the record says that the network has not surely become better.
        BundleError: ``out`` exists or cannot be written.
        ExportError: a format could not be written or proved.
        MissingDependencyError: a package that writes a format is not installed.
    """
    if reason := why_not_better(record):
        raise RegressionError(f"{parent.root}: {reason}; nothing was written")
    check_adapted_output(parent, out, force=force)
    loaded = LoadedModel(
        origin=str(parent.root),
        architecture=parent.manifest.architecture,
        module=adapter.module,
        bundle=parent,
    )
    bundle = write_bundle(
        loaded,
        out,
        request_like(parent, _scored(adapter, test)),
        training=_training(adapter, parent.manifest.training, test),
        adaptation=record,
        force=force,
        on_step=on_step,
    )
    return AdaptedBundle(bundle=bundle, record=record)


def why_not_better(record: AdaptationRecord) -> str | None:
    """Say why a network must not be written; None where it has become better."""
    gain = record.gain
    if not record.rows_seen:
        return "the stream held no rows"
    if not record.rows_learnt:
        first = f" (first: {record.rejected[0].reason})" if record.rejected else ""
        return (
            f"nothing was learnt: guards refused {record.batches_rejected} batches, "
            f"{record.rows_rejected} of {record.rows_seen} rows{first}"
        )
    if record.rows_rejected > MOST_REJECTED * record.rows_seen:
        return (
            f"guards refused {record.rows_rejected} of {record.rows_seen} rows, and weights that "
            f"hold the few which passed show what passed, not what came (first: "
            f"{record.rejected[0].reason})"
        )
    if gain.low is None or gain.high is None:
        return (
            f"adapting weights predicted {gain.batches} batches, too few to tell whether they are "
            "better; give more rows, or a smaller --batch"
        )
    if not gain.is_better:
        return (
            f"the adapting weights do not surely predict better than the old ones: their squared "
            f"error changed by {_percent(-gain.share)} (95 % interval {_percent(-gain.high)} to "
            f"{_percent(-gain.low)}) "
            f"over {gain.batches} batches"
        )
    return None


def check_adapted_output(parent: Bundle, out: Path, *, force: bool) -> None:
    """Refuse early what cannot be written, and the parent's own folder always.

    Raises:
        BundleError: ``out`` is the parent, exists, or cannot be written.
    """
    if out.exists() and out.resolve() == parent.root.resolve():
        raise BundleError(
            f"{out} is the bundle that adapts; it is kept, so that you can go back: choose another "
            "--out"
        )
    check_output_free(out, force=force)


def _scored(adapter: OnlineAdapter, test: TestRows | None) -> ScoredRows | None:
    if test is None:
        return None
    return ScoredRows(
        features=test.rows.features,
        targets=test.rows.targets,
        names=adapter.subject.targets,
        source=test.source,
    )


def _training(
    adapter: OnlineAdapter, old: Training | None, test: TestRows | None
) -> Training | None:
    """Return the parent's training with scores that are of the new weights, or say they are not."""
    if old is None:
        return None
    if test is None:
        source = BEFORE + old.scores.source.removeprefix(BEFORE)
        return replace(old, scores=replace(old.scores, source=source))
    predicted = predict(adapter.module, test.rows.features)
    scores = score_predictions(
        old.recipe.targets, test.rows.targets, predicted, predicted, source=test.source
    )
    # the rows that a linear regression would learn from are not here
    return replace(old, scores=replace(scores, linear_r2=dict.fromkeys(old.recipe.targets)))


def _percent(share: float) -> str:
    return f"{share:+.1%}".replace("%", " %")
