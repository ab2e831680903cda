"""Tables, words and JSON of training speed."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from spinn_edge.core.errors import UsageError
from spinn_edge.report.training_speed import (
    cost_table,
    mean_and_std,
    per_s,
    read_training_document,
    speed_table,
    speedup_text,
    training_document,
)
from spinn_edge.report.training_speed_words import training_words
from tests.unit.bench.training.results import contest, row, shares, two_equations


def printed(*items):
    stream = io.StringIO()
    Console(width=80, file=stream).print(*items)
    return stream.getvalue()


def test_tables_fit_80_columns_and_hold_the_figures():
    result = two_equations()
    text = printed(speed_table(result), cost_table(result))
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    (burgers,) = [
        line for line in lines if "burgers" in line and "compiled" in line and "±" in line
    ]
    assert "97.7" in burgers  # geometric mean over six launches
    assert "± 3.2" in burgers
    (cost,) = [line for line in lines if "burgers" in line and "×" in line]
    assert "2.00× (2.00–2.01)" in cost
    assert "10.2 s" in cost
    assert "20.0 s" in cost


def test_rates_have_three_digits():
    assert [per_s(value) for value in (None, 1234.5, 999.4, 46.66, 0.5)] == [
        "–",
        "1,234",
        "999",
        "46.7",
        "0.500",
    ]


def test_one_seed_stands_without_a_deviation():
    assert mean_and_std(row("heat", "func", [(0.01, 0.01, 0.01)])) == "100"


def test_a_speedup_within_the_noise_is_called_none():
    eager = row("heat", "autograd", [(0.010, 0.013, 0.009)])
    other = row("heat", "func", [(0.0098, 0.0131, 0.0089)])
    result = contest(eager, other)
    assert speedup_text(result, other) == "none seen (1.01×)"
    assert speedup_text(result, eager) == "–"
    assert speedup_text(contest(other), other) == "–"


def test_a_ratio_below_the_aim_gets_its_measured_reason():
    (words,) = [w for w in training_words(two_equations()) if "is below" in w]
    assert words == (
        "allen-cahn: 1.25× is below 1.5×. Measured (torch.profiler, 10 steps): eager step "
        "10.0 ms: matrix products 6.00 ms, optimiser 500 µs, all else 3.50 ms; compiled step "
        "8.00 ms: matrix products 6.50 ms, optimiser 500 µs, all else 1.00 ms; products and "
        "optimiser are library calls either way: with all else free it would be 1.43×, so by "
        "these figures 1.5× cannot be reached"
    )


def test_where_more_could_be_gained_it_says_how_much():
    eager = row("heat", "autograd", [(0.010,) * 3], shares=shares(0.003))
    compiled = row("heat", "compiled", [(0.008,) * 3], shares=shares(0.003))
    (words,) = [w for w in training_words(contest(eager, compiled)) if "is below" in w]
    assert words.endswith("it would be 2.86×; all else would have to take 3.17 ms for 1.5×")


def test_profiled_launches_that_gained_enough_give_no_reason_against_it():
    eager = row("heat", "autograd", [(0.020, 0.010, 0.010)], shares=shares(0.003))
    compiled = row("heat", "compiled", [(0.008, 0.012, 0.012)], shares=shares(0.003))
    (words,) = [w for w in training_words(contest(eager, compiled)) if "is below" in w]
    assert words.endswith(
        "but the launches that were profiled gained 2.50×: launches differ by more than that, so "
        "measure again on a quiet machine"
    )


def test_without_a_profile_no_reason_is_made_up():
    eager = row("heat", "autograd", [(0.010,) * 3])
    compiled = row("heat", "compiled", [(0.008,) * 3])
    (words,) = [w for w in training_words(contest(eager, compiled)) if "is below" in w]
    assert words.endswith("no launch was profiled, so no reason is given")


def test_products_that_the_profiler_did_not_see_are_not_taken_for_free():
    eager = row("heat", "autograd", [(0.010,) * 3], shares=shares(0.003))
    compiled = row("heat", "compiled", [(0.008,) * 3], shares=shares(0.0))
    (words,) = [w for w in training_words(contest(eager, compiled)) if "is below" in w]
    assert words.endswith("saw no product in the compiled step, so no reason is given")


def test_compile_time_is_said_apart_with_the_steps_that_win_it_back():
    words = "\n".join(training_words(two_equations()))
    assert "burgers: compiling took 20.0 s at first, 5.00 s from a cache, which" in words
    assert "it pays after 1,9" in words


def test_words_name_the_problem_the_proof_and_the_deviation():
    words = "\n".join(training_words(two_equations()))
    assert "burgers: u_t = u; network 2-64-64-64-1 tanh, 8,577 parameters" in words
    assert "at most 1.0e-07 and 2.0e-06 off, allowed 1e-04" in words
    assert "± is the standard deviation over seeds" in words


def test_few_launches_have_no_interval_and_that_is_said():
    result = contest(row("heat", "autograd", [(0.01,)]), seeds=1, launches=1)
    assert any("no intervals from 1 launch: take 3" in words for words in training_words(result))


def test_a_row_without_a_figure_says_why():
    good = row("heat", "autograd", [(0.01,) * 3])
    bad = replace(good, way="compiled", status="failed", reason="it hung", launches=())
    result = contest(good, bad)
    assert "heat, compiled: failed: it hung" in training_words(result)
    text = printed(speed_table(result), cost_table(result))
    assert "failed" in text
    found = training_document(result)["figures"][1]
    assert found["it_per_s"] is None
    assert found["speedup"] is None
    assert found["reason"] == "it hung"


def test_the_document_keeps_raw_samples_and_the_machine_and_is_read_back():
    result = two_equations()
    document = training_document(result)
    text = json.dumps(document, allow_nan=False)
    assert document["schema_version"] == 1
    assert document["environment"]["cpu"] == "Xeon"
    assert document["rows"][0]["launches"][0]["samples_s"] == [0.02, 0.02]
    figures = document["figures"][1]
    assert figures["speedup"]["ratio"] == pytest.approx(2.0, rel=0.01)
    assert figures["estimate_1000_epochs_s"] == pytest.approx(10.2, rel=0.01)
    assert figures["it_per_s_std_over_seeds"] > 0
    assert figures["wall_s"] > 0
    assert read_training_document(text, "there") == result


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is no result of bench-train"),
        ('{"kind": "other"}', "is no result of bench-train"),
        ('{"kind": "spinn-edge training speed", "schema_version": 7}', "schema version 7"),
        ('{"kind": "spinn-edge training speed", "schema_version": 1}', "is damaged"),
    ],
)
def test_another_document_is_refused(text, words):
    with pytest.raises(UsageError, match=words):
        read_training_document(text, "there.json")
