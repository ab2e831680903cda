import json
from dataclasses import replace

from torch import nn

from spinn_edge.bench.result import BenchResult
from spinn_edge.core.manifest import Scores
from spinn_edge.core.pruning_record import LayerAudit
from spinn_edge.pruning.gates.gate import GateResult, PruningGate, judge_scores
from spinn_edge.pruning.gates.score_advice import after_masking
from spinn_edge.pruning.layer_statistics import LayerStatistics
from spinn_edge.pruning.masks.compaction import CompactModel
from spinn_edge.pruning.masks.record import MaskedStage, Masking
from spinn_edge.pruning.schedule import parse_schedule, verify_schedule
from spinn_edge.report.json_document import to_text
from spinn_edge.report.masked import (
    compaction_words,
    left_alone_words,
    masked_document,
    masked_markdown,
    schedule_sheet,
    speed_words,
    stage_sheet,
    stages_sheet,
)
from tests.unit.report.results import result, row, unavailable

LAYER = LayerStatistics(
    name="0",
    width_before=4,
    width_after=4,
    parameters=24,
    nonzeros=14,
    weight_mean=0.0,
    weight_std=1.0,
    weight_l2=1.0,
)
STAGE = MaskedStage(
    number=1,
    requested=0.5,
    achieved=0.5,
    weights=20,
    nonzero_weights=10,
    regrown=0,
    epochs=3,
    learning_rate=1e-3,
    score=0.25,
    duration_s=1.5,
    layers=(LAYER,),
)
MASKING = Masking(scope="global", pattern="", stages=(STAGE,))
SCORES = Scores(
    source="test rows",
    rows=9,
    r2={"wear": 0.8, "heat": None},
    r2_overall=None,
    rmse={"wear": 1.0, "heat": 2.0},
    linear_r2={"wear": 0.5, "heat": None},
)


def verdict() -> GateResult:
    return judge_scores(PruningGate(), None, SCORES, after_masking(""))


def timed(masked_s: float, dense_s: float = 100e-6, **changes: object) -> BenchResult:
    launches = (dense_s * 0.999, dense_s, dense_s * 1.001)
    rows = (
        row("dense", dense_s),
        row("pruned", masked_s, baseline_median_s=dense_s, baseline_medians_s=launches, **changes),
    )
    return result(rows)


def test_schedule_is_shown_cumulatively_with_what_was_masked_before() -> None:
    rows = verify_schedule(parse_schedule("0.3:10:1e-3,0.2:5:2e-4"), start=0.5)
    sheet = schedule_sheet(rows, 0.5)
    assert sheet.lines == (
        ("1", "30.00%", "10", "0.001", "65.00%"),
        ("2", "20.00%", "5", "0.0002", "72.00%"),
    )
    assert sheet.caption == "50.00% were masked before"
    assert schedule_sheet(rows).caption == ""


def test_layers_are_shown_with_parameters_non_zeros_and_share() -> None:
    assert stage_sheet(STAGE).lines == (("0", "4", "24", "14", "41.67%"),)
    assert "50.00% of the weights masked (50.00% requested), 0 regrown" in stage_sheet(STAGE).title
    nameless = replace(STAGE, layers=(replace(LAYER, name=""),))
    assert stage_sheet(nameless).lines[0][0] == "the network"


def test_stages_are_shown_with_their_time() -> None:
    sheet = stages_sheet(replace(MASKING, stages=(STAGE, replace(STAGE, number=2))))
    assert sheet.lines[0] == ("1", "50.00%", "50.00%", "10", "0", "3", "0.25", "1.50 s")
    assert sheet.caption == "training took 3.00 s"


def test_speed_is_measured_first_and_then_said_in_words() -> None:
    words = speed_words([timed(101e-6)], MASKING)
    assert words[0].startswith("pruned on ort-cpu, batch 1: 101 µs against 100 µs of dense (")
    assert words[-1].startswith("50.00% of the masked network's weights are 0. Zeros alone buy no")
    assert len(words) == 2


def test_masked_network_that_is_timed_faster_is_no_proof_of_anything() -> None:
    words = speed_words([timed(50e-6)], MASKING)
    assert "something else differed: repeat with more --launches" in words[1]
    # the compacted one may well be faster
    assert not any("something else" in text for text in speed_words([timed(101e-6)] * 2, MASKING))
    assert not any(
        "something else" in text for text in speed_words([timed(101e-6), timed(50e-6)], MASKING)
    )


def test_what_was_not_measured_is_said() -> None:
    assert "nothing was timed (--no-bench" in speed_words([], MASKING)[0]
    failed = result((unavailable("dense"), unavailable("pruned", "no onnxruntime")))
    assert speed_words([failed], MASKING)[0].startswith("not measured: no ")


def test_left_alone_layers_are_named_with_the_pattern() -> None:
    masking = replace(MASKING, pattern="2:4", left_alone={"0.weight": "18 inputs"})
    assert left_alone_words(masking) == ["'0.weight' was left alone by pattern 2:4: 18 inputs"]


def test_report_has_words_stages_layers_scores_gate_and_results() -> None:
    results = [timed(101e-6)]
    words = speed_words(results, MASKING)
    gate = verdict()
    text = masked_markdown(MASKING, SCORES, gate, words, results)
    for part in ("# Masked model", "Zeros alone buy no speed", "| 0 | 4 | 24 | 14 | 41.67% |"):
        assert part in text
    assert "## Results" in text
    assert "| wear | 0.8000 | 0.5000 | 1 |" in text
    assert text.index("Zeros alone") < text.index("Stages") < text.index("Scores")
    document = masked_document(MASKING, SCORES, gate, words, results)
    assert json.loads(to_text(document))["masking"]["stages"][0]["nonzero_weights"] == 10
    assert [line["passed"] for line in document["gate"]] == [False, True, False]
    assert document["gate"][1]["name"] == "R² of wear"
    assert (document["masking"]["requested"], document["masking"]["achieved"]) == (0.5, 0.5)
    assert text.index("Gate, failed: 2 of 3 checks") < text.index("heat is constant over the 9")


def test_report_of_stage_0_has_no_stage_and_what_was_masked_before() -> None:
    masking = replace(MASKING, stages=(), masked_before=0.25)
    words = speed_words([], masking)
    assert words[-1].startswith("25.00% of the masked network's weights are 0")
    text = masked_markdown(masking, SCORES, verdict(), words, [])
    assert "Stages" not in text
    document = masked_document(masking, SCORES, verdict(), words, [])["masking"]
    assert (document["requested"], document["achieved"]) == (0.25, 0.25)


def compacted(after: int, widths: int) -> CompactModel[nn.Module]:
    return CompactModel(
        module=nn.Identity(),
        kept=(),
        layers=(LayerAudit(name="0", before=8, after=widths),),
        constant=1,
        unused=2,
        error=0.0,
        parameters_before=1000,
        parameters_after=after,
    )


def test_compaction_says_what_went_or_that_nothing_could() -> None:
    words = compaction_words(compacted(600, 5), "b-compact")
    assert "1 neurons without inputs folded into biases, 2 without outputs removed (0: 8 to 5)" in (
        words
    )
    assert "1,000 parameters become 600" in words
    assert "b-compact would be the same network and is not written" in compaction_words(
        compacted(1000, 8), "b-compact"
    )
