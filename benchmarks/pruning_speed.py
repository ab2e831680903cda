"""A latency as the target, and compiled steps of fine-tuning, through the command line."""

from __future__ import annotations

from typing import Any

from pruning_runs import DEMO_DENSE, demo_dense
from pruning_shop import CommandFailedError, Section, Workshop, unmeasured
from recorded import Figure

RUNTIME, LAUNCHES = "ort-cpu", 10
LATENCY_SHARE, WITHIN = 0.6, 0.10
FAST = "demo-fast"
STEP_GAIN = 1.5
STEP_SUBJECTS = ("allen-cahn", "demo")
STEP_LAUNCHES = 5
REASON_PRINTED = "the reason is printed"


def latency(shop: Workshop) -> Section:
    """Prune to a share of the dense latency, and time both bundles in a bench of its own."""
    demo_dense(shop)
    name = f"latency target {LATENCY_SHARE:g} × dense on {RUNTIME}, batch 1"
    wanted = f"{LATENCY_SHARE:g} × within {WITHIN:.0%}, by a bench of its own"
    try:
        pruned = shop.once(
            FAST,
            *("prune", DEMO_DENSE, "--data", "demo/train.csv", "--test", "demo/test.csv"),
            *("--target", f"{1 - LATENCY_SHARE:g}", "--by", "latency"),
            *("--runtime", RUNTIME, "--batch", "1"),
        )
    except CommandFailedError as exc:
        return Section(figures=(unmeasured(name, wanted, str(exc)),))
    for bundle in (DEMO_DENSE, FAST):
        shop.type("export", bundle, "--format", "onnx", "--out", f"{bundle}-onnx")
    shop.type(
        *("bench", f"{FAST}-onnx", "--baseline", f"{DEMO_DENSE}-onnx", "--runtime", RUNTIME),
        *("--batch", "1", "--launches", str(LAUNCHES), "--json", "latency.json"),
    )
    figure = latency_figure(name, wanted, shop.document("latency.json"), f"{FAST}-onnx")
    before, after = shop.scores(DEMO_DENSE), shop.scores(FAST)
    widths = "-".join(map(str, shop.manifest(FAST)["architecture"]["widths"]))
    said = [line.strip() for line in pruned.said.splitlines() if line.startswith("latency ")]
    scores = ", ".join(f"{key} {value:.4f} ({before[key]:.4f})" for key, value in after.items())
    return Section(
        figures=(figure,),
        lines=(
            f"- Widths {widths}, {shop.removed(FAST, DEMO_DENSE):.1%} of the parameters gone; "
            f"R² (dense): {scores}.",
            *(f"- The command said: {line}." for line in said),
        ),
    )


def latency_figure(name: str, wanted: str, document: Any, bundle: str) -> Figure:
    """Read the ratio from a bench's document."""
    (row,) = [
        row
        for row in document["rows"]
        if row["bundle"] == bundle and row["boundary"] == "host-to-host"
    ]
    if row["speedup"] is None:
        return unmeasured(name, wanted, row["reason"] or "no ratio")
    ratio, between = 1 / row["speedup"], row["speedup_interval"]
    interval = (
        "" if between is None else f" ({1 / between['high']:.3f} to {1 / between['low']:.3f})"
    )
    return Figure(
        name=name,
        wanted=wanted,
        measured=f"{ratio:.3f} ×{interval}; {1e6 * row['median_s']:.1f} against "
        f"{1e6 * row['baseline_median_s']:.1f} µs",
        met=abs(ratio / LATENCY_SHARE - 1) <= WITHIN,
    )


def step(shop: Workshop) -> Section:
    """Time eager and compiled fine-tuning steps; the command says why a gain is small."""
    wanted = f"≥ {STEP_GAIN:g} ×, or the measured reason, printed"
    try:
        shop.type(
            *("bench-train", "--equation", ",".join(STEP_SUBJECTS)),
            *("--launches", str(STEP_LAUNCHES), "--json", "step.json"),
        )
    except CommandFailedError as exc:
        return Section(figures=(unmeasured("compiled against eager step", wanted, str(exc)),))
    document = shop.document("step.json")
    figures = tuple(step_figure(document, subject, wanted) for subject in STEP_SUBJECTS)
    return Section(figures=figures, lines=tuple(f"- {text}" for text in document["remarks"]))


def step_figure(document: Any, subject: str, wanted: str) -> Figure:
    """Read one subject's gain from the document of ``bench-train``."""
    name = f"compiled against eager fine-tuning step, {subject}, {document['device']}"
    (found,) = [
        row for row in document["figures"] if (row["subject"], row["way"]) == (subject, "compiled")
    ]
    if found["speedup"] is None:
        return unmeasured(name, wanted, found["reason"] or found["status"])
    gain, between = found["speedup"]["ratio"], found["speedup"]["interval"]
    interval = "" if between is None else f" ({between['low']:.2f} to {between['high']:.2f})"
    reason = "" if gain >= STEP_GAIN else step_reason(document, subject)
    return Figure(
        name=name,
        wanted=wanted,
        measured=f"{gain:.2f} ×{interval}; compile time apart, "
        f"{found['first_gradient_s']:.1f} s" + (reason and f"; {reason}"),
        met=gain >= STEP_GAIN or reason == REASON_PRINTED,
    )


def step_reason(document: Any, subject: str) -> str:
    """Say whether a measured reason was printed that can be one.

    It is taken from one launch of each way. Where these two differ by the gain that is missing, it
    explains nothing: the machine was not the same for both.
    """
    printed = [
        text
        for text in document["remarks"]
        if text.startswith(f"{subject}: ") and "Measured (" in text
    ]
    if not printed:
        return "no reason printed"
    eager_s, compiled_s = (_profiled_s(document, subject, way) for way in ("autograd", "compiled"))
    if eager_s / compiled_s >= STEP_GAIN:
        return (
            f"the reason printed is of launches that gained {eager_s / compiled_s:.2f} ×: the "
            "machine did something else; measure again"
        )
    return REASON_PRINTED


def _profiled_s(document: Any, subject: str, way: str) -> float:
    """Return the mean step of the launch that a reason is taken from."""
    (row,) = [
        row for row in document["rows"] if (row["subject"]["name"], row["way"]) == (subject, way)
    ]
    launch = next(launch for launch in row["launches"] if launch["shares"] is not None)
    pairs = list(zip(launch["samples_s"], launch["sample_steps"], strict=True))
    total_s: float = sum(mean_s * count for mean_s, count in pairs)
    steps: int = sum(count for _, count in pairs)
    return total_s / steps
