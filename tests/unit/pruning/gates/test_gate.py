"""The gate says what was missed, why, and what to type."""

import math
from dataclasses import replace
from typing import Any

import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import Scores
from spinn_edge.core.pruning_record import LayerAudit, LeftAlone, PruningAudit, RoundAudit
from spinn_edge.pruning.gates.gate import GateCheck, GateResult, PruningGate, judge, judge_scores
from spinn_edge.pruning.gates.score_advice import after_masking

AUDIT = PruningAudit(
    requested=0.685,
    achieved=0.686,
    tolerance=0.003,
    round_to=1,
    importance="l1-outgoing",
    parameters_before=100_000,
    parameters_after=31_400,
    layers=(
        LayerAudit(name="0", before=512, after=285),
        LayerAudit(name="2", before=512, after=512),
    ),
    rounds=tuple(
        RoundAudit(widths=(18, width, 2), parameters=width, requested=0.5, achieved=0.5)
        for width in (400, 350, 285)
    ),
)


def scores(wear: float | None = 0.93, heat: float | None = 0.91, linear: float = 0.1) -> Scores:
    both = None if wear is None or heat is None else (wear + heat) / 2
    return Scores(
        source="rows",
        rows=50,
        r2={"wear": wear, "heat": heat},
        r2_overall=both,
        rmse={"wear": 1.0, "heat": 1.0},
        linear_r2={"wear": linear, "heat": 0.1},
    )


DENSE = scores()


def check(result: GateResult, name: str) -> GateCheck:
    (found,) = [row for row in result.checks if row.name == name]
    return found


def failed(result: GateResult) -> list[str]:
    return [row.name for row in result.checks if not row.passed]


def test_a_good_network_passes_every_check() -> None:
    gate = PruningGate(max_r2_loss=0.02, parameter_range=(31_400, 31_400), min_speedup=2.0)
    result = judge(gate, DENSE, scores(0.92, 0.91), AUDIT, speedup=2.0)
    assert result.passed
    assert result.reasons == ()
    assert [row.name for row in result.checks] == [
        "widths changed",
        "share of parameters removed",
        "parameters",
        "R² overall",
        "loss of R² overall",
        "R² of wear",
        "loss of R² of wear",
        "R² of heat",
        "loss of R² of heat",
        "speed-up",
    ]
    assert all(row.reason == "" for row in result.checks)


def test_only_what_is_asked_for_is_judged() -> None:
    nothing = PruningGate(min_r2=None, min_r2_each=None)
    result = judge(nothing, None, None, AUDIT)
    assert [row.name for row in result.checks] == ["widths changed", "share of parameters removed"]
    assert result.passed
    each = judge(PruningGate(min_r2=None), None, scores(), AUDIT)
    assert "R² overall" not in [row.name for row in each.checks]


def test_the_mean_and_each_target_have_limits_of_their_own() -> None:
    result = judge(PruningGate(), DENSE, scores(0.9, 0.69), AUDIT)
    assert failed(result) == ["R² of heat"]
    result = judge(PruningGate(), DENSE, scores(0.71, 0.72), AUDIT)
    assert failed(result) == ["R² overall"]
    result = judge(PruningGate(min_r2=None, min_r2_each=0.9), DENSE, scores(0.9, 0.91), AUDIT)
    assert failed(result) == ["R² of wear"]


def test_a_score_that_pruning_lost_asks_for_more_tuning() -> None:
    result = judge(PruningGate(), DENSE, scores(0.6, 0.91), AUDIT, finetune_epochs=15)
    assert check(result, "R² of wear").reason == (
        "R² of wear is 0.6000, not above 0.7; it fell by 0.33 (from 0.9300): tune longer "
        "(--finetune-epochs 30), in more rounds (--rounds 5), or remove less (--target 0.59)"
    )


def test_a_score_that_was_never_there_blames_the_network_before_pruning() -> None:
    reason = check(judge(PruningGate(), scores(0.65), scores(0.64), AUDIT), "R² of wear").reason
    assert "it was 0.6500 before pruning: train the network that is pruned better first" in reason
    assert "--rounds" not in reason


def test_a_score_just_below_the_limit_on_both_sides_blames_training() -> None:
    reason = check(judge(PruningGate(), scores(0.702), scores(0.699), AUDIT), "R² of wear").reason
    assert "it was hardly better before pruning (0.7020)" in reason


def test_a_linear_regression_that_does_better_is_named() -> None:
    result = judge(PruningGate(), DENSE, scores(0.6, 0.91, linear=0.88), AUDIT)
    assert "A linear regression reaches 0.8800" in check(result, "R² of wear").reason


def test_a_score_without_its_predecessor_leaves_the_cause_open() -> None:
    reason = check(judge(PruningGate(), None, scores(0.6), AUDIT), "R² of wear").reason
    assert "was not scored, so the cause is open" in reason


def test_a_loss_is_judged_by_itself() -> None:
    gate = PruningGate(min_r2=None, min_r2_each=None, max_r2_loss=0.01)
    result = judge(gate, DENSE, scores(0.85, 0.91), AUDIT)
    assert failed(result) == ["loss of R² overall", "loss of R² of wear"]
    row = check(result, "loss of R² of wear")
    assert row.value == pytest.approx(0.08)
    assert row.reason.startswith("R² of wear fell by 0.08 (from 0.9300 to 0.8500), 0.01 may go: ")
    assert judge(gate, DENSE, scores(0.99, 0.99), AUDIT).passed


def test_a_loss_with_one_side_unknown_has_failed() -> None:
    gate = PruningGate(min_r2=None, min_r2_each=None, max_r2_loss=0.01)
    reasons = judge(gate, None, DENSE, AUDIT).reasons
    assert "is not known before pruning" in reasons[0]
    assert len(reasons) == 3
    assert "is not known after pruning" in judge(gate, DENSE, None, AUDIT).reasons[0]


@pytest.mark.parametrize(
    ("after", "name", "message"),
    [
        (None, "R² overall", "the pruned network was not scored; give labelled rows (--test)"),
        (scores(None), "R² of wear", "wear is constant over the 50 scored rows"),
        (scores(None), "R² overall", "wear is constant over the 50 scored rows"),
        (scores(math.nan), "R² of wear", "is no finite number"),
        (scores(math.nan), "R² overall", "is no finite number"),
    ],
)
def test_a_score_that_is_not_known_has_failed(
    after: Scores | None, name: str, message: str
) -> None:
    row = check(judge(PruningGate(), DENSE, after, AUDIT), name)
    assert not row.passed
    assert row.found == "not known"
    assert message in row.reason


def test_unchanged_widths_fail_and_say_that_zeros_buy_nothing() -> None:
    same = replace(AUDIT, layers=tuple(replace(row, after=512) for row in AUDIT.layers))
    row = check(judge(PruningGate(), DENSE, DENSE, same), "widths changed")
    assert row.found == "0 of 2 groups of layers are narrower"
    assert "zeroed weights alone make no network smaller or faster" in row.reason
    nowhere = replace(AUDIT, layers=(), left_alone=(LeftAlone(name="rnn", reason="recurrent"),))
    reason = check(judge(PruningGate(), DENSE, DENSE, nowhere), "widths changed").reason
    assert "the first is 'rnn': recurrent" in reason
    assert "spinn-edge mask" in reason


def test_a_missed_share_fails_unless_it_is_the_nearest_there_is() -> None:
    missed = replace(AUDIT, achieved=0.6, left_alone=(LeftAlone(name="x", reason="why"),))
    row = check(judge(PruningGate(), DENSE, DENSE, missed), "share of parameters removed")
    assert (row.found, row.wanted) == ("60.00%", "68.50%, ± 0.30%")
    assert "1 layers were left alone" not in row.reason
    assert "1 layer was left alone" in row.reason
    assert "--target 0.600" in row.reason
    rounded = replace(missed, tolerance=None, round_to=16)
    row = check(judge(PruningGate(), DENSE, DENSE, rounded), "share of parameters removed")
    assert row.passed
    assert "nearest" in row.wanted


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        ((20_000, 30_000), "remove more (--target 0.750 of 100,000)"),
        ((40_000, 60_000), "remove less (--target 0.500 of 100,000)"),
        ((80_000, 120_000), "remove less (--target 0.100 of 100,000)"),
        ((200_000, 300_000), "there were only 100,000 before pruning"),
    ],
)
def test_parameters_outside_their_range_name_the_target_that_fits(
    allowed: tuple[int, int], message: str
) -> None:
    row = check(judge(PruningGate(parameter_range=allowed), DENSE, DENSE, AUDIT), "parameters")
    assert not row.passed
    assert row.value == 31_400
    assert message in row.reason


def test_a_target_of_another_quantity_is_named_with_it() -> None:
    gate = PruningGate(parameter_range=(20_000, 30_000))
    reason = check(judge(gate, DENSE, DENSE, replace(AUDIT, by="flops")), "parameters").reason
    assert "(--by parameters --target 0.750 of 100,000)" in reason


def test_a_small_speedup_says_where_the_time_goes() -> None:
    gate = PruningGate(min_speedup=2.0)
    row = check(judge(gate, DENSE, DENSE, AUDIT, speedup=1.1), "speed-up")
    assert (row.found, row.wanted) == ("1.10×", "at least 2.00×")
    assert "spinn-edge explain" in row.reason
    assert "--round-to 16" in row.reason
    rounded = judge(gate, DENSE, DENSE, replace(AUDIT, round_to=16), speedup=1.1)
    assert "--round-to" not in check(rounded, "speed-up").reason
    same = replace(AUDIT, layers=AUDIT.layers[1:])
    assert "zeros alone" in check(judge(gate, DENSE, DENSE, same, speedup=1.0), "speed-up").reason


@pytest.mark.parametrize(
    ("speedup", "message"), [(None, "no speed-up was measured"), (math.nan, "nan")]
)
def test_a_speedup_that_was_not_measured_has_failed(speedup: float | None, message: str) -> None:
    row = check(judge(PruningGate(min_speedup=1.0), DENSE, DENSE, AUDIT, speedup), "speed-up")
    assert not row.passed
    assert message in row.reason


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"min_r2": math.nan}, "a limit of the gate is nan"),
        ({"min_r2_each": 1.0}, "R² is at most 1"),
        ({"max_r2_loss": -0.1}, "allowed loss of R² is -0.1, expected 0 or more"),
        ({"parameter_range": (2, 1)}, "range of parameters is 2 to 1, expected the fewest first"),
        ({"parameter_range": (-1, 1)}, "range of parameters"),
        ({"min_speedup": 0.0}, "lowest speed-up is 0, expected more than 0"),
        ({"min_speedup": math.inf}, "a limit of the gate is inf"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PruningGate(**limits)


# Scores alone


def test_scores_alone_are_judged_overall_first_and_nothing_else_is() -> None:
    gate = PruningGate(max_r2_loss=0.02, parameter_range=(1, 2), min_speedup=2.0)
    result = judge_scores(gate, DENSE, scores(0.92, 0.91), after_masking(""))
    assert result.passed
    assert [row.name for row in result.checks] == [
        "R² overall",
        "loss of R² overall",
        "R² of wear",
        "loss of R² of wear",
        "R² of heat",
        "loss of R² of heat",
    ]


@pytest.mark.parametrize(
    ("wear", "heat", "missed"),
    [
        (0.9, 0.71, []),
        (0.8, 0.70, ["R² overall", "R² of heat"]),  # above means above
        (0.95, 0.65, ["R² of heat"]),
        (0.9, None, ["R² overall", "R² of heat"]),
        (math.nan, 0.9, ["R² overall", "R² of wear"]),
    ],
)
def test_masked_network_is_held_to_the_same_limits(
    wear: float | None, heat: float | None, missed: list[str]
) -> None:
    result = judge_scores(PruningGate(), None, scores(wear, heat), after_masking(""))
    assert failed(result) == missed


def test_masks_advise_to_mask_less_and_name_options_of_mask() -> None:
    gate = PruningGate(max_r2_loss=0.01)
    reasons = judge_scores(gate, DENSE, scores(0.6, 0.91), after_masking("")).reasons
    assert reasons[1] == (
        "R² of wear is 0.6000, not above 0.7; it fell by 0.33 (from 0.9300): train longer (more "
        "epochs in --schedule), or mask less (smaller ratios there, and a smaller --target)"
    )
    assert reasons[2].endswith("and a smaller --target)")
    low = judge_scores(gate, scores(0.5), scores(0.5), after_masking("")).reasons
    assert any("it was 0.5000 before masking: train the network that is masked" in r for r in low)
    flat = judge_scores(gate, DENSE, scores(math.nan), after_masking("")).reasons
    assert any("a lower learning rate (the rates in --schedule)" in reason for reason in flat)
    for text in (*reasons, *low, *flat, *judge_scores(gate, None, None, after_masking("")).reasons):
        assert "prun" not in text
        assert "--lr" not in text
        assert "--rounds" not in text
    pattern = judge_scores(gate, DENSE, scores(0.6, 0.91), after_masking("2:4")).reasons
    assert pattern[1].endswith("or leave --pattern out")
