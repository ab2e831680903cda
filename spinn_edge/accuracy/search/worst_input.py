"""The worst input in the range of the data: random samples, corners, and a bounded search.

Golden samples show the average case. Here a form is compared with the float64 reference where
nobody looked: a good average cannot hide a bad corner.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spinn_edge.accuracy.parity import channel_shares
from spinn_edge.accuracy.search.scores import Evaluate, SampleScores, score_samples
from spinn_edge.accuracy.search.space import InputRange, draw_corners, range_of
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import Manifest, OutputTolerance
from spinn_edge.core.proofs import SearchProof
from spinn_edge.core.tensors import Array
from spinn_edge.runtimes.base import Runtime

ELITE = 16
CHILDREN = 64
LONGEST_SAMPLE = 4096
"""Numbers of a sample that a report still holds; a longer one can be drawn again from the seed."""

MARGIN = {"fp32": 1.0, "fp16": 2.0, "int8": 2.0}
"""Times the default share that a searched input may use. Golden samples meet the rounding of a
precision by chance, and its share leaves room for that; a search looks for the sample where all
rounding errors add up. Float32's share is so far above its rounding that it needs no more room."""

_LEAST = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlan:
    """How far to look.

    Attributes:
        random: uniform samples of the range.
        corners: corners of the range at most.
        steps: samples that the search for the worst one may add.
        most_flops: bound on the multiplications and additions of all samples in one evaluator;
            larger models get fewer samples of every kind.
        seed: of all draws.
    """

    random: int = 1024
    corners: int = 1024
    steps: int = 2048
    most_flops: float = 1e11
    seed: int = 0

    def for_model(self, flops_per_sample: int | None) -> SearchPlan:
        """Return the plan with as many samples as ``most_flops`` allows.

        Args:
            flops_per_sample: see :func:`cost_of`.
        """
        total = self.random + self.corners + self.steps
        share = min(1.0, self.most_flops / (total * max(flops_per_sample or 1, 1)))

        def part(count: int) -> int:
            return max(min(count, _LEAST), int(count * share))

        return SearchPlan(
            random=part(self.random),
            corners=part(self.corners),
            steps=part(self.steps),
            most_flops=self.most_flops,
            seed=self.seed,
        )


AT_EXPORT = SearchPlan(random=256, corners=256, steps=512, most_flops=1e10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What a search needs beside the form that it looks into.

    Attributes:
        exact: the model in float64.
        eager: the model in float32: its own error is allowed to every form.
        plan: how far to look.
    """

    exact: Evaluate
    eager: Evaluate
    plan: SearchPlan = SearchPlan()


def cost_of(manifest: Manifest) -> int | None:
    """Return the FLOPs of a sample, or a bound on them where they were not counted.

    The bound: every weight is used once at every place of the input, channels left out.

    Args:
        manifest: of the model.

    Returns:
        None where nothing is known.
    """
    if manifest.flops_per_sample is not None or manifest.parameters is None:
        return manifest.flops_per_sample
    places = max(math.prod(size or 1 for size in spec.shape[2:]) for spec in manifest.inputs)
    return 2 * manifest.parameters * places


def search_shares(
    tolerances: Mapping[str, OutputTolerance], precision: str, by_hand: Mapping[str, Array]
) -> dict[str, Array]:
    """Return the share of its scale that each channel may differ by at a searched input.

    Args:
        tolerances: of the manifest.
        precision: whose default holds, ``MARGIN`` times.
        by_hand: shares that were chosen by hand, NaN where none was; they are taken as they are.
    """
    default = channel_shares(tolerances, precision)
    return {
        name: np.where(np.isnan(by_hand[name]), MARGIN[precision] * share, by_hand[name])
        for name, share in default.items()
    }


def search_worst(
    runtime: Runtime,
    request: SearchRequest,
    golden: Golden,
    tolerances: Mapping[str, OutputTolerance],
    shares: Mapping[str, Array],
    batch: int,
) -> SearchProof:
    """Look for the input in the data's range for which a form uses most of its tolerance.

    A form may differ from the float64 reference by its share of the channel's scale, which is the
    larger of the golden scale and the reference itself (beyond the golden samples outputs may be
    larger), plus the error that eager float32 has: the larger of the golden one and that for this
    very input.

    Args:
        runtime: an open runtime.
        request: the reference, and how far to look.
        golden: its inputs span the range.
        tolerances: of the manifest: scale and error of eager on the golden inputs.
        shares: by output, what the form may differ by, a share of a channel's scale.
        batch: samples in one call.

    Returns:
        The worst input that was found.

    Raises:
        InferenceError: the runtime refused or failed.
        ExportError: the reference failed.
    """
    plan, space = request.plan, range_of(golden.inputs)
    generator = np.random.default_rng(plan.seed)

    def score(points: Array) -> SampleScores:
        inputs = space.samples(points)
        return score_samples(
            runtime, request.exact, request.eager, inputs, tolerances, shares, batch
        )

    random = generator.random((plan.random, space.features))
    corners = draw_corners(space, golden.inputs, plan.corners, generator)
    points, scores = np.concatenate([random, corners]), [score(random), score(corners)]
    steps = 0
    while steps < plan.steps and len(space.free):
        used = np.concatenate([part.used for part in scores])
        count = min(CHILDREN, plan.steps - steps)
        elite = points[np.argsort(-used, kind="stable")[:ELITE]]
        width = 0.3 * (0.01 / 0.3) ** (steps / plan.steps)
        children = _children(elite, count, width, space, generator)
        scores.append(score(children))
        points, steps = np.concatenate([points, children]), steps + count
    return _report(scores, points, space, plan, len(corners), steps)


def _report(
    scores: list[SampleScores],
    points: Array,
    space: InputRange,
    plan: SearchPlan,
    corners: int,
    steps: int,
) -> SearchProof:
    used = np.concatenate([part.used for part in scores])
    worst = int(np.argmax(used))
    output = [name for part in scores for name in part.output][worst]
    channel = int(np.concatenate([part.channel for part in scores])[worst])
    max_abs = float(np.concatenate([part.max_abs for part in scores])[worst])
    limit = float(np.concatenate([part.limit for part in scores])[worst])
    found_by = (
        "random" if worst < plan.random else "corner" if worst < plan.random + corners else "search"
    )
    compared = used[worst] >= 0
    sample = {
        name: array[0].tolist() for name, array in space.samples(points[worst : worst + 1]).items()
    }
    reason = None
    if not compared:
        reason = "the model itself gives NaN or Inf on every sample of the data's range"
    elif not math.isfinite(max_abs):
        reason = f"output '{output}' holds NaN or Inf where the model does not"
    elif used[worst] > 1:
        reason = (
            f"output '{output}' channel {channel} differs by {max_abs:.3g}, allowed {limit:.3g}"
        )
    if reason is not None and compared:
        kind = {"random": "a random sample", "corner": "a corner", "search": "a sample"}[found_by]
        bad = used > 1
        first, second = plan.random, plan.random + corners
        reason = (
            f"{reason}, at {kind} of the data's range: {shorten(sample)}; beyond the limit are "
            f"{int(bad[:first].sum())} of {plan.random} random samples, "
            f"{int(bad[first:second].sum())} of {corners} corners and "
            f"{int(bad[second:].sum())} of {steps} steps of the search"
        )
    finite = compared and math.isfinite(max_abs)
    return SearchProof(
        random=plan.random,
        corners=corners,
        steps=steps,
        left_out=int((used < 0).sum()),
        seed=plan.seed,
        output=output,
        channel=channel,
        max_abs=max_abs if finite else None,
        tolerance=limit if compared else None,
        found_by=found_by,
        sample=sample if space.features <= LONGEST_SAMPLE else {},
        reason=reason,
    )


def shorten(sample: Mapping[str, object], most: int = 8) -> str:
    """Return a sample in words: the first numbers of each input."""
    words = []
    for name, values in sample.items():
        flat = np.ravel(np.asarray(values)).tolist()
        shown = ", ".join(f"{value:.4g}" for value in flat[:most])
        words.append(f"{name} = [{shown}{', …' if len(flat) > most else ''}]")
    return ", ".join(words)


def _children(
    elite: Array, count: int, width: float, space: InputRange, generator: np.random.Generator
) -> Array:
    """Return new points near the worst ones: some features anew, all a little, or two crossed."""
    free = space.free
    parents = elite[generator.integers(0, len(elite), count)][:, free]
    others = elite[generator.integers(0, len(elite), count)][:, free]
    shape = parents.shape
    few = generator.random(shape) < max(0.05, 1.5 / len(free))
    anew = generator.choice([0.0, 1.0, np.nan], size=shape)
    anew = np.where(np.isnan(anew), generator.random(shape), anew)
    moved = np.where(few, anew, parents)
    shifted = parents + width * generator.standard_normal(shape)
    crossed = np.where(generator.random(shape) < 0.5, parents, others)
    kind = generator.integers(0, 4, (count, 1))
    chosen = np.where(kind < 2, moved, np.where(kind == 2, shifted, crossed))
    children = np.zeros((count, space.features))
    children[:, free] = np.clip(chosen, 0.0, 1.0)
    return children
