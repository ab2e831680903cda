"""What the waterfall says in a table, in Markdown, in words and in JSON."""

import io
import json

import pytest
from rich.console import Console

from spinn_edge.accuracy.divergence.waterfall import (
    OutputError,
    TaskScore,
    Waterfall,
    WaterfallStep,
)
from spinn_edge.report.json_document import to_text
from spinn_edge.report.waterfall import (
    percent,
    waterfall_document,
    waterfall_markdown,
    waterfall_table,
    waterfall_words,
)

NAMES = ("wear", "heat")


def errors(*shares: float) -> tuple[OutputError, ...]:
    return tuple(
        OutputError(output=name, max_abs=share, max_share=share, rms_share=share / 2)
        for name, share in zip(NAMES, shares, strict=True)
    )


def scores(*r2: float | None) -> tuple[TaskScore, ...]:
    return tuple(
        TaskScore(output=name, r2=value, rmse=0.5) for name, value in zip(NAMES, r2, strict=True)
    )


DENSE = WaterfallStep(name="dense", step="", after="", scores=scores(0.95, None))
PRUNED = WaterfallStep(
    name="pruned",
    step="pruning",
    after="dense",
    contribution=errors(0.008, 0.001),
    total=errors(0.008, 0.001),
    scores=scores(0.94, None),
)
ONNX = WaterfallStep(
    name="ort-cpu fp32",
    step="export",
    after="pruned",
    contribution=errors(3e-7, 1e-8),
    total=errors(0.008, 0.001),
    own=errors(3e-7, 1e-8),
    scores=scores(0.9399, None),
    notices=("a notice",),
)
ENGINE = WaterfallStep(
    name="trt fp32", step="engine", after="ort-cpu fp32", reason="no driver.\ninstall | one"
)
BROKEN = WaterfallStep(
    name="ort-cpu fp16", step="fp16", after="ort-cpu fp32", reason="NaN", failed=True
)


def of(*steps: WaterfallStep, outputs: tuple[str, ...] = NAMES) -> Waterfall:
    return Waterfall(
        reference=steps[0].name,
        rows=7,
        source="7 rows of test.csv",
        outputs=outputs,
        scale=(1.0,) * len(outputs),
        steps=steps,
    )


def printed(waterfall: Waterfall) -> str:
    out = io.StringIO()
    console = Console(width=200, file=out)
    console.print(waterfall_table(waterfall))
    return out.getvalue()


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.008, "0.8 %"), (3e-7, "0.00003 %"), (0.1234, "12 %"), (1.5, "150 %"), (0.0, "0 %")],
)
def test_shares_are_written_without_exponents(share: float, text: str) -> None:
    assert percent(share) == text


def test_words_say_what_pruning_costs_and_what_the_rest() -> None:
    words = waterfall_words(of(DENSE, PRUNED, ONNX))
    assert words[0] == "the step that costs most: pruning (pruned), 0.8 % of the scale of wear"
    assert words[1] == (
        "pruning costs 0.8 % of scale (wear), everything after it 0.00003 % at most "
        "(wear, ort-cpu fp32)"
    )
    assert words[2] == "R² of wear: 0.9500 (dense), lowest 0.9399 (ort-cpu fp32)"
    assert words[3:] == ["ort-cpu fp32: a notice"]


def test_without_pruning_only_the_costliest_step_is_named() -> None:
    words = waterfall_words(of(DENSE, ONNX))
    assert words[0].startswith("the step that costs most: export (ort-cpu fp32)")
    assert not any("pruning" in line for line in words)


def test_a_step_that_did_not_run_has_a_reason_and_no_number() -> None:
    text = printed(of(DENSE, PRUNED, ENGINE, BROKEN))
    (engine,) = (line for line in text.splitlines() if "trt fp32" in line)
    assert engine.split()[:4] == ["trt", "fp32", "ort-cpu", "fp32"]
    assert not any(character.isdigit() for character in engine.replace("fp32", ""))
    assert engine.rstrip().endswith("not run")
    words = waterfall_words(of(DENSE, PRUNED, ENGINE, BROKEN))
    assert words[-2:] == [
        "trt fp32: not run: no driver. install | one",
        "ort-cpu fp16: failed: NaN",
    ]


def test_each_output_has_a_line_under_its_form() -> None:
    lines = [line for line in printed(of(DENSE, PRUNED)).splitlines() if "heat" in line]
    assert len(lines) == 2
    assert "0.1 %" in lines[1]


def test_of_many_outputs_the_worst_stands_for_all() -> None:
    names = tuple(f"y{i}" for i in range(20))
    wide = tuple(
        OutputError(output=name, max_abs=0.0, max_share=i / 1000, rms_share=0.0)
        for i, name in enumerate(names)
    )
    step = WaterfallStep(name="next", step="", after="first", contribution=wide, total=wide)
    first = WaterfallStep(name="first", step="", after="")
    text = printed(of(first, step, outputs=names))
    assert "y19" in text
    assert "y18" not in text
    assert "worst of 20 outputs" in text


def test_markdown_cannot_be_broken_by_a_reason() -> None:
    text = waterfall_markdown(of(DENSE, PRUNED, ENGINE))
    (engine,) = (line for line in text.splitlines() if line.startswith("| trt fp32"))
    assert "not run: no driver. install \\| one" in engine
    heads = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in heads}) == 1
    assert "- pruning costs 0.8 %" not in text.splitlines()[0]
    assert "R²" in text


def test_the_document_passes_unless_a_step_failed() -> None:
    good = json.loads(to_text(waterfall_document(of(DENSE, PRUNED, ONNX, ENGINE))))
    assert good["passed"] is True
    assert good["steps"][3]["contribution"] == []
    assert good["steps"][1]["contribution"][0]["max_share"] == 0.008
    assert good["remarks"]
    assert waterfall_document(of(DENSE, BROKEN))["passed"] is False
