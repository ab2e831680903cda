"""Zeros of masks, a latency as target, and compiled steps: what is called missed."""

import pytest
import torch


def counted(masks, *shares, regrown=0):
    return [masks.Counted(zero_share=share, regrown=regrown) for share in shares]


@pytest.mark.parametrize(
    ("shares", "regrown", "met"),
    [
        ((0.3, 0.51, 0.608, 0.6864), 0, True),
        ((0.3009, 0.51, 0.608, 0.6856), 0, True),
        ((0.3, 0.51, 0.608, 0.6878), 0, False),
        ((0.3, 0.51, 0.608), 0, False),
        ((0.3, 0.51, 0.608, 0.6864), 1, False),
    ],
)
def test_zeros_are_held_against_the_schedule(program, shares, regrown, met):
    masks = program("pruning_masks")
    found = counted(masks, *shares, regrown=regrown)
    assert masks.masked_figure("x", found, masks.REACHES).met is met


def test_a_weight_that_grew_again_is_counted(program):
    masks = program("pruning_masks")
    weights = {"a": torch.tensor([[0.0, 1.0], [2.0, 0.0]])}
    assert masks.count_zeros(weights, {}) == masks.Counted(zero_share=0.5, regrown=0)
    stays = {"a": torch.tensor([[False, True], [False, False]])}
    assert masks.count_zeros(weights, stays).regrown == 1


def test_masks_hold_against_a_loop_that_knows_nothing_of_them(program, monkeypatch):
    masks = program("pruning_masks")
    monkeypatch.setattr(masks, "WIDTHS", (18, 64, 64, 2))
    monkeypatch.setattr(masks, "STEPS", 3)
    assert masks.masked_figure("x", masks.by_hand(0), masks.REACHES).met is True


def bench_row(**changed):
    row = {
        "bundle": "fast",
        "boundary": "host-to-host",
        "reason": None,
        "speedup": 1 / 0.62,
        "speedup_interval": {"low": 1 / 0.64, "high": 1 / 0.60},
        "median_s": 31e-6,
        "baseline_median_s": 50e-6,
    }
    return row | changed


@pytest.mark.parametrize(
    ("ratio", "met"), [(0.62, True), (0.65, True), (0.68, False), (0.5, False)]
)
def test_a_latency_is_met_within_a_tenth(program, ratio, met):
    rows = [
        bench_row(speedup=1 / ratio),
        bench_row(boundary="bound", speedup=9.0),
        bench_row(bundle="dense", speedup=1.0),
    ]
    figure = program("pruning_speed").latency_figure("x", "y", {"rows": rows}, "fast")
    assert figure.met is met
    assert f"{ratio:.3f} × (0.600 to 0.640); 31.0 against 50.0 µs" in figure.measured


def test_a_latency_that_was_not_timed_is_missed(program):
    rows = [bench_row(speedup=None, reason="it crashed")]
    figure = program("pruning_speed").latency_figure("x", "y", {"rows": rows}, "fast")
    assert (figure.met, figure.measured) == (False, "it crashed")


def profiled(way, step_s):
    """Return a row whose second launch was profiled."""
    launch = {"samples_s": [1.0], "sample_steps": [1], "shares": None}
    seen = {"samples_s": [0.5 * step_s, 2 * step_s], "sample_steps": [2, 1], "shares": {}}
    return {"subject": {"name": "demo"}, "way": way, "launches": [launch, seen]}


def step_document(gain, *remarks, eager_s=1.2, **changed):
    found = {
        "subject": "demo",
        "way": "compiled",
        "status": "ok",
        "reason": None,
        "first_gradient_s": 12.0,
        "speedup": {"ratio": gain, "interval": {"low": gain - 0.1, "high": gain + 0.1}},
    }
    eager = found | {"way": "autograd", "speedup": None}
    return {
        "device": "cpu",
        "figures": [eager, found | changed],
        "remarks": list(remarks),
        "rows": [profiled("autograd", eager_s), profiled("compiled", 1.0)],
    }


REASON = "demo: 1.20× is below 1.5×. Measured (torch.profiler, 10 steps): eager step 3 ms"


@pytest.mark.parametrize(
    ("document", "met", "words"),
    [
        (step_document(1.6), True, "1.60 × (1.50 to 1.70)"),
        (step_document(1.2), False, "no reason printed"),
        (step_document(1.2, REASON), True, "the reason is printed"),
        (step_document(1.2, REASON.replace("demo", "allen-cahn")), False, "no reason"),
        (step_document(1.2, "demo: 1.20× is below 1.5×; no launch was profiled"), False, "no"),
        (step_document(1.2, REASON, eager_s=4.0), False, "launches that gained 4.00 ×"),
        (step_document(1.2, speedup=None, reason="no compiler"), False, "no compiler"),
    ],
)
def test_a_small_gain_needs_a_measured_reason_that_is_one(program, document, met, words):
    figure = program("pruning_speed").step_figure(document, "demo", "y")
    assert figure.met is met
    assert words in figure.measured
