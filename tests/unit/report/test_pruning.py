from dataclasses import replace
from typing import Any

from rich.console import Console

from spinn_edge.core.pruning_record import LayerAudit, LeftAlone, PruningAudit, RoundAudit
from spinn_edge.pruning.gates.gate import GateCheck, GateResult
from spinn_edge.pruning.layer_statistics import LayerStatistics
from spinn_edge.report.pruning import (
    audit_sheet,
    audit_table,
    gate_remarks,
    gate_sheet,
    left_alone_sheet,
    statistics_sheet,
    widths_sheet,
)

MARKUP = "[red]a[/red] [/] [link=file:///etc]b"
AUDIT = PruningAudit(
    requested=0.7,
    achieved=0.6849,
    tolerance=0.02,
    round_to=1,
    importance="l1-outgoing",
    parameters_before=666_882,
    parameters_after=210_135,
    layers=(LayerAudit(name="0", before=512, after=285), LayerAudit(name="2", before=9, after=9)),
    rounds=(
        RoundAudit(
            widths=(18, 300, 2), parameters=300_000, requested=0.4, achieved=0.41, score=0.0123
        ),
        RoundAudit(widths=(18, 285, 2), parameters=210_135, requested=0.7, achieved=0.6849),
    ),
)


def shown(table, width=400):
    screen = Console(width=width, height=50, color_system=None, force_terminal=False)
    with screen.capture() as capture:
        screen.print(table)
    return capture.get()


# --- audit


def test_an_audit_shows_each_round():
    assert audit_sheet(AUDIT).lines == (
        ("1", "18-300-2", "300,000", "40.00%", "41.00%", "0.0123"),
        ("2", "18-285-2", "210,135", "70.00%", "68.49%", "–"),
    )
    assert "Pruning audit, share of the whole model's parameters" in shown(audit_table(AUDIT))


def test_an_audit_shows_exactness_and_time_where_they_are_known():
    first, second = AUDIT.rounds
    audit = replace(AUDIT, rounds=(replace(first, exactness=2.5e-7, duration_s=1.5), second))
    sheet = audit_sheet(audit)
    assert sheet.head[-2:] == (">small against masked", ">time")
    assert sheet.lines[0][-2:] == ("2.5e-07", "1.50 s")
    assert sheet.lines[1][-2:] == ("–", "–")
    assert len({len(sheet.head), *map(len, sheet.lines)}) == 1


def test_an_audit_says_how_it_cut_and_what_it_came_to():
    assert audit_sheet(AUDIT).caption == (
        "uniform allocation; importance l1-outgoing; parameters 666,882 → 210,135 (-68.5 %); "
        "68.49% of parameters gone, 70.00% ± 2.00% asked"
    )
    rounded = replace(AUDIT, tolerance=None, round_to=16, allocation="global")
    caption = audit_sheet(rounded).caption
    assert caption.startswith("global allocation; ")
    assert "widths in multiples of 16" in caption
    assert caption.endswith("68.49% of parameters gone, 70.00% asked")


def test_an_audit_shows_its_quantity_in_its_own_unit():
    for by, before, after, words in (
        ("flops", 1_330_176.0, 419_000.0, "flops 1,330,176 → 419,000"),
        ("bytes", 2_667_528.0, 840_540.0, "bytes 2.67 MB → 841 kB"),
        ("latency", 64e-6, 38.4e-6, "latency 64.0 µs → 38.4 µs"),
    ):
        audit = replace(AUDIT, by=by, amount_before=before, amount_after=after)
        sheet = audit_sheet(audit)
        assert words in sheet.caption
        assert f"of {by} gone" in sheet.caption
        assert sheet.title.endswith(f"model's {by}")


def test_groups_show_their_width_before_and_after():
    assert widths_sheet(AUDIT).lines == (
        ("0", "512", "285", "-44.3 %"),
        ("2", "9", "9", "+0.0 %"),
    )


def test_layers_left_alone_stand_beside_their_reason():
    left = [LeftAlone(name=f"block{number}", reason="shared") for number in range(8)]
    left.insert(1, LeftAlone(name="", reason="recurrent"))
    sheet = left_alone_sheet(left)
    assert sheet is not None
    assert sheet.lines == (
        ("block0, block1, block2, block3, block4, block5 and 2 more", "shared"),
        ("the network", "recurrent"),
    )
    assert left_alone_sheet(()) is None


# --- layers


def layer(name: str, parameters: int, nonzeros: int, **changes) -> LayerStatistics:
    values: dict[str, Any] = {
        "width_before": 8,
        "width_after": 8,
        "weight_mean": 0.0,
        "weight_mean_abs": 0.5,
        "kind": "Linear",
        "weight_std": 0.25,
        "weight_l2": None,
    }
    return LayerStatistics(
        name=name, parameters=parameters, nonzeros=nonzeros, **(values | changes)
    )


def test_statistics_show_every_layer_and_all_of_them():
    sheet = statistics_sheet((layer("0", 300, 75, width_after=4), layer("", 100, 100)), "Stage 2")
    assert sheet.title == "Stage 2"
    assert [line[:7] for line in sheet.lines] == [
        ("0", "Linear", "8 → 4", "300", "75.00%", "75", "75.00%"),
        ("the network", "Linear", "8", "100", "25.00%", "100", "0.00%"),
        ("all", "", "", "400", "100.00%", "175", "56.25%"),
    ]
    assert sheet.lines[0][7:] == ("0.5", "0.25", "–")
    assert len({len(sheet.head), *map(len, sheet.lines)}) == 1
    assert statistics_sheet(()).lines[0][3:7] == ("0", "–", "0", "–")


# --- gate


def gate_check(name: str, reason: str = "") -> GateCheck:
    return GateCheck(name=name, passed=not reason, found="1", wanted="2", reason=reason)


def test_a_gate_shows_its_verdicts_and_says_what_to_try():
    result = GateResult(checks=(gate_check("a"), gate_check("b", "too slow: try this")))
    sheet = gate_sheet(result)
    assert sheet.title == "Gate, failed: 1 of 2 checks"
    assert sheet.lines == (("a", "1", "2", "held"), ("b", "1", "2", "missed"))
    assert gate_remarks(result) == ["- too slow: try this"]
    passed = GateResult(checks=(gate_check("a"),))
    assert gate_sheet(passed).title == "Gate, passed"
    assert gate_remarks(passed) == []


def test_names_that_look_like_markup_are_shown_as_they_are():
    audit = replace(AUDIT, importance=MARKUP, layers=(LayerAudit(name=MARKUP, before=2, after=1),))
    left = left_alone_sheet([LeftAlone(name=MARKUP, reason=MARKUP)])
    assert left is not None
    assert shown(audit_table(audit)).count(MARKUP) == 1
    for sheet, count in (
        (widths_sheet(audit), 1),
        (left, 2),
        (statistics_sheet([layer(MARKUP, 1, 1)]), 1),
        (gate_sheet(GateResult(checks=(gate_check(MARKUP),))), 1),
    ):
        assert shown(sheet.to_rich()).count(MARKUP) == count
