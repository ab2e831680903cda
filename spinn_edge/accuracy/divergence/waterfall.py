"""What each step from the trained network to the deployed form adds to its error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spinn_edge.accuracy.metrics.faults import find_fault
from spinn_edge.accuracy.metrics.regression import r2_score, rmse
from spinn_edge.accuracy.parity import channel_scale
from spinn_edge.core.errors import SpinnEdgeError, UsageError
from spinn_edge.core.steps import OnStep, unheard
from spinn_edge.core.tensors import Array, Feeds
from spinn_edge.runtimes.registry import CANNOT_RUN_HERE

Predict = Callable[[Feeds], Mapping[str, Array]]
"""Takes all samples by input name, returns outputs by name, shape (samples, channels, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of the model on its way.

    Attributes:
        name: in tables, such as ``pruned, ort-cpu fp16``; every form has another.
        after: name of the form that it was made from; empty for the first, which is the reference
            of all.
        predict: what runs it; an error of ours that it raises becomes the row's reason.
        own_reference: name of the float64 form of the same weights; empty for one that has none
            but the first.
        step: what was done to the form before, in a word, such as ``pruning``.
        notices: called after a run: sentences that belong beside every figure of this form.
    """

    name: str
    after: str
    predict: Predict
    own_reference: str = ""
    step: str = ""
    notices: Callable[[], Sequence[str]] = tuple


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputError:
    """The difference of two forms in one channel of one output.

    Attributes:
        output: name of the channel.
        max_abs: largest absolute difference, output units.
        max_share: the same over the channel's scale.
        rms_share: root mean square of the difference over the channel's scale.
    """

    output: str
    max_abs: float
    max_share: float
    rms_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """How well a form predicts one target.

    Attributes:
        output: name of the channel.
        r2: coefficient of determination; None for a target that does not vary.
        rmse: root mean squared error, target units.
    """

    output: str
    r2: float | None
    rmse: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterfallStep:
    """One form's errors, channel by channel; empty for a form that could not run.

    Attributes:
        name: of the form.
        step: what was done to the form before.
        after: the form that ``contribution`` counts from: the nearest before it that ran.
        contribution: difference to that form.
        total: difference to the first form.
        own: difference to the float64 form of the same weights.
        scores: against the targets; empty without targets.
        reason: why there are no figures; None where there are.
        failed: the form ran here and its outputs are broken, or its file is.
        notices: sentences that belong beside every figure of this form.
    """

    name: str
    step: str
    after: str
    contribution: tuple[OutputError, ...] = ()
    total: tuple[OutputError, ...] = ()
    own: tuple[OutputError, ...] = ()
    scores: tuple[TaskScore, ...] = ()
    reason: str | None = None
    failed: bool = False
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """The steps from the trained network to every deployed form.

    Attributes:
        reference: name of the first form, which all totals count from.
        rows: samples that every form was run on.
        source: where they came from, in words.
        outputs: names of the channels.
        scale: largest magnitude of each channel of the first form, output units.
        steps: the first form and all others, in the order given.
    """

    reference: str
    rows: int
    source: str
    outputs: tuple[str, ...]
    scale: tuple[float, ...]
    steps: tuple[WaterfallStep, ...]


def waterfall(
    forms: Sequence[Form],
    inputs: Feeds,
    *,
    targets: Array | None = None,
    names: Sequence[str] = (),
    source: str = "",
    on_form: OnStep = unheard,
) -> Waterfall:
    """Run every form on the same samples and take their outputs apart step by step.

    A form that raises one of our errors, or puts out NaN, Inf or another shape, becomes a row with
    the reason; the forms after it count from the one before it.

    Args:
        forms: the first is the reference (the trained network in float64); each other one comes
            behind the form that it was made from.
        inputs: by input name, shape (samples, ...), in the model's own dtype.
        targets: measured values of the outputs' channels, shape (samples, channels).
        names: of the channels, over all outputs; ``output[0]`` and so on without.
        source: where the samples came from, in words.
        on_form: called before each form runs with its name, how many have ended, and how many
            there are.

    Raises:
        UsageError: no forms, a name twice, a form that comes after one which is not there, or
            targets or names that do not fit.
        SpinnEdgeError: the first form cannot run: there is nothing to count from.
    """
    _check(forms)
    outputs: dict[str, dict[str, Array]] = {}
    steps: list[WaterfallStep] = []
    channels: tuple[str, ...] = ()
    scale = np.zeros(0)
    for number, form in enumerate(forms):
        on_form(form.name, number, len(forms))
        first = not outputs
        try:
            found = {name: np.asarray(array) for name, array in form.predict(inputs).items()}
        except SpinnEdgeError as exc:
            if first:
                raise
            broken = not isinstance(exc, CANNOT_RUN_HERE)
            steps.append(_without_figures(form, str(exc), failed=broken))
            continue
        reference = found if first else outputs[forms[0].name]
        if (reason := _broken(reference, found)) is not None:
            if first:
                raise UsageError(f"{form.name}: {reason}; there is nothing to count from")
            steps.append(_without_figures(form, reason, failed=True))
            continue
        outputs[form.name] = found
        if first:
            channels = _channel_names(found, names)
            scale = np.concatenate([channel_scale(array) for array in found.values()])
            _check_targets(targets, found, channels)
        after = _nearest(form, forms, outputs)
        before = outputs.get(after, {})
        own = outputs.get(form.own_reference, {})
        steps.append(
            WaterfallStep(
                name=form.name,
                step=form.step,
                after=after,
                contribution=_errors(found, before, channels, scale),
                total=() if first else _errors(found, reference, channels, scale),
                own=_errors(found, own, channels, scale),
                scores=_scores(found, targets, channels),
                notices=tuple(form.notices()),
            )
        )
    return Waterfall(
        reference=forms[0].name,
        rows=len(next(iter(inputs.values()))),
        source=source,
        outputs=channels,
        scale=tuple(scale.tolist()),
        steps=tuple(steps),
    )


def _check(forms: Sequence[Form]) -> None:
    known: set[str] = set()
    if not forms:
        raise UsageError("there is no form to run; expected the reference and what came of it")
    for form in forms:
        if form.name in known:
            raise UsageError(f"two forms are called '{form.name}'; each needs a name of its own")
        for earlier in filter(None, (form.after, form.own_reference)):
            if earlier not in known:
                raise UsageError(f"'{form.name}' comes after '{earlier}', which is not before it")
        if known and not form.after:
            raise UsageError(f"'{form.name}' comes after nothing; only the first form may")
        known.add(form.name)


def _broken(reference: Mapping[str, Array], found: Mapping[str, Array]) -> str | None:
    if not found:
        return "it puts out nothing"
    for name, expected in reference.items():
        if name not in found:
            return f"output '{name}' is missing; got {sorted(found)}"
        fault = find_fault(expected, found[name], same_dtype=False)
        if fault is not None:
            return f"output '{name}': {fault.reason}"
    return None


def _without_figures(form: Form, reason: str, *, failed: bool) -> WaterfallStep:
    return WaterfallStep(
        name=form.name, step=form.step, after=form.after, reason=reason, failed=failed
    )


def _nearest(form: Form, forms: Sequence[Form], outputs: Mapping[str, object]) -> str:
    """Return the name of the nearest form before this one that has outputs."""
    by_name = {other.name: other for other in forms}
    after = form.after
    while after and after not in outputs:
        after = by_name[after].after
    return after


def _channel_names(outputs: Mapping[str, Array], names: Sequence[str]) -> tuple[str, ...]:
    counts = {name: len(channel_scale(array)) for name, array in outputs.items()}
    if names:
        if len(names) != sum(counts.values()):
            raise UsageError(
                f"{len(names)} names of targets were given ({', '.join(names)}), but the model "
                f"has {sum(counts.values())} channels"
            )
        return tuple(names)
    return tuple(
        name if count == 1 else f"{name}[{channel}]"
        for name, count in counts.items()
        for channel in range(count)
    )


def _check_targets(
    targets: Array | None, outputs: Mapping[str, Array], channels: Sequence[str]
) -> None:
    if targets is None:
        return
    rows = len(next(iter(outputs.values())))
    flat = all(array.ndim <= 2 for array in outputs.values())
    if targets.shape != (rows, len(channels)) or not flat:
        raise UsageError(
            f"targets have shape {list(targets.shape)}, expected {[rows, len(channels)]}: one "
            "column for each channel of outputs that are vectors"
        )


def _errors(
    found: Mapping[str, Array],
    other: Mapping[str, Array],
    channels: Sequence[str],
    scale: Array,
) -> tuple[OutputError, ...]:
    if not other or found is other:
        return ()
    largest: list[float] = []
    rms: list[float] = []
    for name in other:
        difference = np.asarray(found[name], np.float64) - np.asarray(other[name], np.float64)
        columns = difference.reshape(len(difference), -1, *difference.shape[2:])
        axes = (0, *range(2, columns.ndim))
        largest += np.abs(columns).max(axis=axes).tolist()
        rms += np.sqrt((columns**2).mean(axis=axes)).tolist()
    return tuple(
        OutputError(output=name, max_abs=most, max_share=most / size, rms_share=mean / size)
        for name, most, mean, size in zip(channels, largest, rms, scale.tolist(), strict=True)
    )


def _scores(
    outputs: Mapping[str, Array], targets: Array | None, channels: Sequence[str]
) -> tuple[TaskScore, ...]:
    if targets is None:
        return ()
    predicted = np.concatenate(
        [np.asarray(a, np.float64).reshape(len(a), -1) for a in outputs.values()], axis=1
    )
    constant = (targets == targets[:1]).all(axis=0)
    return tuple(
        TaskScore(output=name, r2=None if flat else float(r2), rmse=float(error))
        for name, flat, r2, error in zip(
            channels, constant, r2_score(targets, predicted), rmse(targets, predicted), strict=True
        )
    )
