from dataclasses import replace

import pytest

from spinn_edge.bench.evidence.output_difference import OutputDifference
from spinn_edge.report.recommendations import recommendations, recorded_differences, size_words
from spinn_edge.suite.documents import recommended
from tests.unit.report.results import DENSE, DENSE_SCORES, PRUNED, PRUNED_SCORES, unavailable
from tests.unit.suite.measurements import (
    AS_NOISY,
    BARE_DENSE,
    BARE_PRUNED,
    FAST,
    NOISY,
    SLOW,
    UNLIKE,
    against,
    launched,
    measured,
)

FASTER = against(SLOW, FAST)
SLOWER = against(FAST, SLOW, batch=64)
NO_DIFFERENCE = against(NOISY, AS_NOISY)


def words_of(*rows, **options):
    (words,) = recommended(measured(*rows, **options))
    return words


def with_r2(before, after):
    return tuple(
        replace(facts, scores=replace(scores, r2_overall=r2))
        for facts, scores, r2 in (
            (DENSE, DENSE_SCORES, before),
            (PRUNED, PRUNED_SCORES, after),
        )
    )


def test_whole_sentence():
    assert words_of(FASTER) == (
        "pruned beside dense: 4.06× faster (4.00 to 4.12) on ort-cpu at batch 1; 68.5 % smaller "
        "(2.67 MB to 840 kB of parameters); accuracy kept: its outputs differ from dense's by up "
        "to 3e-07 (1e-07 of their scale). Recommended on ort-cpu at batch 1."
    )


def test_slower_is_said_with_a_ratio_above_one_and_is_not_recommended():
    words = words_of(SLOWER)
    assert "4.06× slower (4.00 to 4.12) on ort-cpu at batch 64" in words
    assert words.endswith("Not recommended: it is slower on ort-cpu at batch 64.")


def test_no_difference_is_never_a_recommendation():
    words = words_of(NO_DIFFERENCE)
    assert "no difference seen on ort-cpu at batch 1" in words
    assert "×" not in words
    assert words.endswith("No recommendation: no difference in speed was seen.")


def test_recommendation_names_only_places_where_it_is_faster():
    words = words_of(FASTER, against(NOISY, AS_NOISY, batch=64))
    assert words.endswith("Recommended on ort-cpu at batch 1.")


def test_faster_here_and_slower_there_depends():
    assert words_of(FASTER, SLOWER).endswith(
        "It depends: faster on ort-cpu at batch 1, slower on ort-cpu at batch 64."
    )


def test_one_launch_is_no_reason_to_recommend():
    words = words_of(against(SLOW[:1], FAST[:1]))
    assert "4.00× the speed on ort-cpu at batch 1, without an interval" in words
    assert words.endswith("No recommendation: an interval needs 3 launches or more.")


def test_row_that_was_not_timed_is_not_compared():
    assert words_of(unavailable("pruned")).endswith("not timed beside each other.")


def test_only_whole_inferences_are_compared():
    words = words_of(FASTER, against(FAST, SLOW, runtime="eager", boundary="enqueue"))
    assert "eager" not in words
    assert words.endswith("Recommended on ort-cpu at batch 1.")


def test_accuracy_is_kept_down_to_the_limit():
    words = words_of(FASTER, bundles=with_r2(0.85, 0.841), difference=UNLIKE)
    assert "accuracy kept (R² 0.8500 to 0.8410, -0.0090)" in words
    assert "its outputs differ from dense's by up to 0.25 (1.2 % of their scale)" in words
    assert words.endswith("Recommended on ort-cpu at batch 1.")


def test_better_accuracy_is_kept_with_its_sign():
    words = words_of(FASTER, bundles=with_r2(0.85, 0.95), difference=UNLIKE)
    assert "accuracy kept (R² 0.8500 to 0.9500, +0.1000)" in words


def test_lost_accuracy_is_not_recommended_however_fast():
    words = words_of(FASTER, bundles=with_r2(0.85, 0.83), difference=UNLIKE)
    assert "accuracy lost (R² 0.8500 to 0.8300, -0.0200)" in words
    assert words.endswith("Not recommended: accuracy is lost.")


def test_scores_outweigh_the_difference_of_outputs():
    assert "accuracy kept" in words_of(FASTER, bundles=with_r2(0.8, 0.8), difference=UNLIKE)


def test_other_outputs_without_scores_leave_the_accuracy_open():
    words = words_of(FASTER, difference=UNLIKE)
    assert "accuracy" not in words
    assert words.endswith(
        "Recommended on ort-cpu at batch 1, if its outputs are good enough: "
        "validation=(inputs, targets) tells."
    )


def test_outputs_that_cannot_be_compared_say_why():
    words = words_of(FASTER, difference=OutputDifference(reason="they were given other inputs"))
    assert "outputs not compared with dense's: they were given other inputs" in words
    assert "if its outputs are good enough" in words


def test_several_models_get_a_sentence_each():
    third = replace(BARE_PRUNED, name="third")
    found = recommended(
        measured(FASTER, replace(SLOWER, bundle="third"), bundles=(BARE_DENSE, BARE_PRUNED, third))
    )
    assert [words.partition(" ")[0] for words in found] == ["pruned", "third"]
    assert "faster" in found[0]
    assert "slower" in found[1]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (1000, 500, "50.0 % smaller (1.00 kB to 500 B of parameters)"),
        (1000, 1500, "50.0 % larger (1.00 kB to 1.50 kB of parameters)"),
        (1000, 1000, "of the same size (1.00 kB of parameters)"),
        (0, 1000, "larger (0 B to 1.00 kB of parameters)"),
        (None, 1000, "size unknown"),
    ],
)
def test_size_is_said_with_its_direction(old, new, words):
    before, after = (replace(DENSE, parameter_bytes=count) for count in (old, new))
    assert size_words(before, after) == words


def test_one_model_gets_its_fastest_runtime():
    found = recommended(
        measured(
            launched("dense", *SLOW, runtime="eager"),
            launched("dense", *FAST),
            bundles=(BARE_DENSE,),
        )
    )
    assert found == [
        "dense, batch 1: ort-cpu is the fastest of 2, 4.06× (4.00 to 4.12) ahead of eager"
    ]


def test_results_without_outputs_say_so_and_name_the_command_that_tells():
    (words,) = recommendations(measured(FASTER).result, {})
    assert "; accuracy and outputs not compared with dense's. Recommended" in words
    assert words.endswith("if its outputs are good enough: spinn-edge validate tells.")


def test_differences_come_back_from_the_document_that_holds_them():
    document = {"output_differences": {"pruned": {"max_abs": 0.25, "of_scale": 0.0125}}}
    assert recorded_differences(document) == {"pruned": UNLIKE}
    assert recorded_differences({}) == {}


def test_scores_stand_alone_where_the_results_hold_no_outputs():
    rated = measured(FASTER, bundles=(DENSE, PRUNED)).result
    (words,) = recommendations(rated, {})
    assert "accuracy lost (R² 0.8500 to 0.8300, -0.0200). Not recommended" in words
