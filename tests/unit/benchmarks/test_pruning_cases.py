"""The thirty cases of pruning: counted and run by the check itself."""

import math

import pytest
import torch
from torch import nn

from spinn_edge.core.errors import PruningError
from tests.fakes.prunable_networks import FAMILY, SIX


@pytest.fixture
def cases(program):
    return program("pruning_cases")


def a_case(cases, **changed):
    values = {
        "size": "small",
        "network": "gated",
        "target": 0.5,
        "before": 1000,
        "after": 500,
        "exactness": 1e-7,
        "unmasked": 0.3,
    }
    return cases.Case(**values | changed)


def refused(cases, **words):
    return a_case(cases, after=None, exactness=None, unmasked=None, **words)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "reached"),
        ({"after": 504}, "reached"),
        ({"after": 840}, "SILENTLY OFF"),
        ({"after": 494}, "SILENTLY OFF"),
        ({"exactness": 2e-5}, "ANOTHER FUNCTION"),
        ({"exactness": math.nan}, "ANOTHER FUNCTION"),
    ],
)
def test_a_case_is_reached_only_where_share_and_outputs_are_right(cases, changed, verdict):
    case = a_case(cases, **changed)
    assert case.verdict == verdict
    assert verdict in case.line


def test_a_refusal_says_why_and_a_crash_is_none(cases):
    assert "refused: at most 40 %" in refused(cases, refusal="at most 40 %").line
    assert "CRASHED: KeyError" in refused(cases, crash="KeyError: 'x'").line
    assert "NO REASON" in refused(cases).line


@pytest.mark.parametrize(
    ("worst", "share_met", "output_met"),
    [
        ({}, True, True),
        ({"after": 840}, False, True),
        ({"exactness": 1e-3}, True, False),
        ({"exactness": math.nan}, True, False),
    ],
)
def test_one_wrong_case_among_many_is_a_missed_figure(cases, worst, share_met, output_met):
    many = [a_case(cases) for _ in range(4)] + [a_case(cases, **worst)]
    share, output = cases.case_figures(many)
    assert (share.met, output.met) == (share_met, output_met)


def test_a_refusal_counts_as_honest_and_a_crash_does_not(cases):
    share, _ = cases.case_figures([a_case(cases), refused(cases, refusal="too narrow")])
    assert share.met is True
    assert "1 within, 1 refused, 0 silently off, 0 crashed" in share.measured
    share, _ = cases.case_figures([a_case(cases), refused(cases, crash="KeyError")])
    assert share.met is False
    assert "1 crashed" in share.measured


def test_small_and_large_networks_have_figures_of_their_own(cases):
    figures = cases.case_figures([a_case(cases), a_case(cases, size="large", after=840)])
    assert [figure.met for figure in figures] == [True, True, False, True]


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_case_is_counted_and_run_by_the_check_itself(cases, size):
    network = cases.SIZES[size]["normed"]
    case = cases.run_case(size, "normed", network, 0.55)
    assert case.verdict == "reached"
    assert case.before == sum(p.numel() for p in network.make().parameters())
    assert case.unmasked > 100 * cases.EXACT, "the masked network is not just the whole one"


def test_what_pruning_says_of_itself_is_not_believed(cases, monkeypatch):
    module = FAMILY["normed"].make()
    true = cases.prune_in_rounds

    def lie(given, request, *, example):
        pruned = true(given, request, example=example)
        with torch.no_grad():
            pruned.module[0].weight.mul_(1.01)
        return pruned

    monkeypatch.setattr(cases, "prune_in_rounds", lie)
    assert cases.run_case("small", "normed", FAMILY["normed"], 0.55).verdict == "ANOTHER FUNCTION"

    def lazy(given, request, *, example):
        pruned = true(given, request, example=example)
        object.__setattr__(pruned, "module", module)
        return pruned

    monkeypatch.setattr(cases, "prune_in_rounds", lazy)
    case = cases.run_case("small", "normed", FAMILY["normed"], 0.55)
    assert case.verdict == "SILENTLY OFF"
    assert case.off == -0.55


@pytest.mark.parametrize(
    ("error", "verdict"),
    [(PruningError("at most 3 %"), "refused: at most"), (KeyError(1), "CRASH")],
)
def test_only_the_programs_own_error_is_a_refusal(cases, monkeypatch, error, verdict):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(cases, "prune_in_rounds", fail)
    case = cases.run_case("small", "normed", FAMILY["normed"], 0.55)
    assert case.verdict.startswith(verdict)


def test_tied_parameters_count_once(cases):
    pair = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    pair[1].weight = pair[0].weight
    assert cases.count(pair) == 9


def test_large_networks_are_the_six_and_large(program):
    large = program("pruning_networks").LARGE
    assert set(large) == set(SIX)
    for network in large.values():
        parameters = sum(p.numel() for p in network.make().parameters())
        assert 10_000 <= parameters <= 100_000
        first, second = (network.make()(*network.example()) for _ in range(2))
        assert torch.equal(first, second)
